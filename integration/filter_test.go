//go:build linux

package integration

import (
	"strings"
	"testing"
)

// attempts is a program that makes system calls which the default filter refuses, and prints the calls that
// did not fail with the expected error.
const attempts = `
import ctypes, ctypes.util, errno, fcntl, os, platform, threading
libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == "x86_64"
calls = dict(mount=165, unshare=272, ptrace=101, bpf=321, keyctl=250, add_key=248, io_uring_setup=425, setns=308, chroot=161, pivot_root=155,
    perf_event_open=298, userfaultfd=323, process_vm_readv=310, pidfd_getfd=438, open_tree=428, fsopen=430, init_module=175, kexec_load=246,
    open_by_handle_at=304, swapon=167, reboot=169, acct=163, clock_settime=227, iopl=172, syslog=103, quotactl=179, personality=135,
    move_pages=279) if x86 else dict(mount=40, unshare=97, ptrace=117, bpf=280, keyctl=219, io_uring_setup=425)
bad = []
def attempt(name, want, *args):
    ctypes.set_errno(0)
    if libc.syscall(*[ctypes.c_long(a) for a in args]) != -1 or ctypes.get_errno() != want:
        bad.append("%s %s" % (name, errno.errorcode.get(ctypes.get_errno())))
def all():
    for name, number in calls.items():
        attempt(name, errno.EPERM, number, 0, 0, 0, 0, 0)
    attempt("clone3", errno.ENOSYS, 435, 0, 0)
    attempt("clone", errno.EPERM, 56 if x86 else 220, 0x10000000 | 17, 0, 0, 0, 0)
    if x86:
        attempt("x32", errno.ENOSYS, 0x40000000 + 39)
    for request in (0x5412, 0x541C, 0x100005412):
        attempt("ioctl %x" % request, errno.EPERM, 16 if x86 else 29, 0, request, 0)
all()
other = threading.Thread(target=all)
other.start()
other.join()
print("allowed:", bad, flush=True)
`

// Each process of a vassal is filtered, also programs of emperor enter.
func TestSystemCallFilter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.eachProcess([]string{"uid = 4001", "gid = 4001", "system-call-filter = default"}, func(who, text string) {
		if got := line(text, "Seccomp:") + line(text, "NoNewPrivs:"); got != "21" {
			t.Errorf("%s: Seccomp and NoNewPrivs are %s", who, got)
		}
	})
}

// Calls of the design's list fail, programs with threads and children run, and ~ permits a call.
func TestSystemCallFilterOfPrograms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("s/attempts.py", attempts)
	user := []string{"uid = 4001", "gid = 4001"}
	w.vassal("python.ini", append(user, "system-call-filter = default", "command = sh -c 'python3 "+w.path("s/attempts.py")+"; exec sleep 1000000'")...)
	w.vassal("root.ini", "uid = root", "system-call-filter = default", "command = sh -c 'python3 "+w.path("s/attempts.py")+"; exec sleep 1000000'")
	w.vassal("some.ini", append(user, "system-call-filter = ~bpf ~@keyring", "command = sh -c 'python3 "+w.path("s/attempts.py")+"; exec sleep 1000000'")...)
	w.vassal("bash.ini", append(user, "system-call-filter = default", `command = bash -c 'echo bash: $(seq 3 | while read n; do echo $n; done) $(perl -e "print fork ? q(perl) : q()"); exec sleep 1000000'`)...)
	w.vassal("threads.ini", append(user, "system-call-filter = default", `command = sh -c 'python3 -c "import multiprocessing as m; p = m.Pool(2); print(sum(p.map(abs, range(-9, 9))), flush=True)"; exec sleep 1000000'`)...)
	w.vassal("web.ini", append(user, "system-call-filter = default", "http-socket = "+w.path("s/web"), "static-map = /=/usr")...) // a Go program
	w.vassal("none.ini", append(user, `command = sh -c 'echo filters: $(grep -c "Seccomp:.0" /proc/self/status); exec sleep 1000000'`)...)
	w.write("s/app.py", "def application(e, start):\n    start('200 OK', [])\n    return [b'under a filter']\n")
	w.vassal("uwsgi.ini", append(user, "system-call-filter = default", "command = uwsgi --plugin python3 --die-on-term --master --processes 2 --threads 2 --http-socket "+w.path("s/uwsgi")+" --wsgi-file "+w.path("s/app.py"))...)
	w.run("chmod 1777 " + w.path("s"))
	e := w.start(allNamespaces)
	for name, want := range map[string]string{
		"python.ini": "allowed: []", "root.ini": "allowed: []", "bash.ini": "bash: 1 2 3 perl", "threads.ini": `"msg":"81"`, "none.ini": "filters: 1",
		"uwsgi.ini": "spawned uWSGI worker 2",
	} {
		e.await(name, want)
	}
	e.await("some.ini", "allowed: [")
	for _, name := range []string{"bpf ", "keyctl ", "add_key "} {
		if e.count("some.ini", name) == 0 {
			t.Errorf("%s is refused although its filter permits it:\n%s", name, e.tail())
		}
	}
	if e.count("some.ini", "'mount ") > 0 {
		t.Errorf("mount is permitted:\n%s", e.tail())
	}
	e.running("web.ini")
	eventually(t, "uwsgi answers", func() bool {
		return strings.Contains(w.run("curl -s --unix-socket "+w.path("s/uwsgi")+" http://x/ || true"), "under a filter")
	})
}

// A running vassal shows the same facts as its file.
func TestSecurityOfRunning(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("shut.ini", "uid = 4001", "gid = 4001", "cap = none", "system-call-filter = default", serves)
	w.vassal("open.ini", "uid = root", serves)
	e := w.start("--emperor-use-clone=pid,net,ipc,fs")
	e.running("shut.ini")
	e.running("open.ini")
	for name, texts := range map[string][]string{
		"shut.ini": {"-  its programs are not root", "-  no program gets more rights", "-  system calls are filtered", "-  the bounding set of capabilities is reduced", "-  a pid namespace of its own", "-  mounts of its own"},
		"open.ini": {"3.0  its programs are root (uid = USER)", "0.8  set-user-id programs give rights (no-new-privileges = true)", "0.8  no filter of system calls", "-  a network of its own"},
	} {
		out := w.succeed("status", "--security", name)
		for _, text := range texts {
			if !strings.Contains(out, text) {
				t.Errorf("%s: no %q in:\n%s", name, text, out)
			}
		}
	}
	for name, fact := range map[string]string{"shut": "-  no other vassal has its user", "open.ini": "3.0  its programs are root (uid = USER)"} {
		if out := w.succeed("check", "--security", name); !strings.Contains(out, fact) || !strings.Contains(out, strings.TrimSuffix(name, ".ini")+".ini: exposure ") {
			t.Errorf("check of the running %s:\n%s", name, out)
		}
	}
	w.vassal("plain.ini", "uid = 4002", "gid = 4002", serves)
	if out, _ := w.command("check", w.vassals); !strings.Contains(out, "(no-new-privileges = true prevents it): plain.ini\n") { // a filter implies it
		t.Errorf("check of the directory:\n%s", out)
	}
	if out, code := w.command("check", "--security", "other"); code != 4 || !strings.Contains(out, `there is no vassal "other"`) {
		t.Errorf("check of an unknown name: exit status %d:\n%s", code, out)
	}
	if out, code := w.command("status", "--security", "--max", "2", "open.ini"); code != 1 || !strings.Contains(out, "open.ini: exposure ") {
		t.Errorf("above the maximum: exit status %d:\n%s", code, out)
	}
}
