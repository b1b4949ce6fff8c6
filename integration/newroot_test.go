//go:build linux

package integration

import (
	"strings"
	"syscall"
	"testing"
)

// distribution makes a root directory with the programs of this machine, and returns its path.
func (w *world) distribution() string {
	w.t.Helper()
	const at = "/run/distribution"
	w.run("mkdir -p " + at + " && cd " + at + ` && mkdir -p usr etc proc sys dev run/pages tmp srv containers .old_root && mount --bind /usr usr &&
		for d in bin sbin lib lib64; do [ -d /usr/$d ] && ln -s usr/$d $d; done
		cat /etc/passwd >etc/passwd; cat /etc/group >etc/group; echo distribution >etc/name; echo a page >run/pages/page`)
	w.t.Cleanup(func() { w.run("umount -R " + at + "/usr && rm -rf " + at) })
	return at
}

// A vassal lives in its new root directory, with its own /proc and with the options about files in it: programs of the vassal
// and of enter, its built-in server, also after a reload. Nothing of the old root directory is left.
func TestNewRootDirectory(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"root": {allNamespaces + ",cgroup"}, "user namespace": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if args == nil {
				args = w.ranged()
			}
			at := w.distribution()
			w.run("mkdir " + at + "/run/new && echo secret >/run/secret && mkdir /run/shared && echo shared >/run/shared/file")
			for option, file := range map[string]string{"chroot": "chroot.ini", "pivot_root": "pivot.ini"} {
				w.vassal(file, option+" = "+at, "uid = 4001", "gid = 4001", "runtime-directory = new", "private-tmp = true", "private-devices = true", "protect-system = strict",
					"read-write-paths = /srv", "bind-read-only-paths = /run/shared:/containers", "inaccessible-paths = /etc/group", "protect-proc = invisible",
					"http-socket = /run/new/%n.sock", "static-map = /=/run/pages", "attach-daemon = sh -c 'cat /etc/name >/tmp/name; exec sleep 1000000'")
			}
			e := w.start(args...)
			for _, vassal := range []string{"chroot", "pivot"} {
				pid := e.running(vassal + ".ini")
				page := func() string {
					return w.run("curl -sS --unix-socket /run/new/" + vassal + ".sock http://a/page 2>&1 || true")
				}
				if got := page(); got != "a page" {
					t.Errorf("%s: the page is %q", vassal, got)
				}
				for script, want := range map[string]string{
					"cat /tmp/name":        "distribution",
					"ls / | xargs":         "bin containers dev etc lib lib64 proc run sbin srv sys tmp usr",
					"cat /containers/file": "shared",
					"cat /run/secret 2>&1 | grep -o 'No such'":                                                           "No such",
					"touch /etc/x /x 2>&1 | grep -c 'Read-only file'":                                                    "2",
					"cat /etc/group 2>&1 | grep -o 'Permission denied'":                                                  "Permission denied",
					"cat /proc/self/comm; ls -d /proc/1 2>&1 | grep -c 'No such'; ls /proc/acpi 2>&1 | grep -c 'denied'": "cat\n1\n1",
					"ls /sys/class/net; echo x >/dev/null; ls /dev | grep -c '^mem$\\|^vda'":                             "lo\n0",
					"cut -d ' ' -f 5 /proc/self/mountinfo | grep -c '^/run/distribution\\|^/tmp/e\\|^/home'":             "0",
				} {
					out, _ := w.command("enter", vassal, "sh", "-c", script)
					if got := strings.TrimSpace(out); got != want {
						t.Errorf("%s: %s: %q, not %q", vassal, script, got, want)
					}
				}
				w.succeed("reload", "--wait", vassal)
				e.undisturbed(vassal+".ini", pid)
				if got := page(); got != "a page" {
					t.Errorf("%s: after a reload the page is %q", vassal, got)
				}
			}
			e.stop(syscall.SIGTERM)
			w.run("rm -rf /run/shared /run/secret")
		})
	}
}

// A file of uWSGI's documentation works as it is: hooks mount the new root directory, and fill it from the old one.
func TestNewRootDirectoryOfHooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.distribution()
	w.run("mkdir /run/ns && mkdir -p /run/customer/home")
	w.vassal("a.ini", "hook-pre-jail = mount:none "+at+" /run/ns bind", "hook-pre-jail = mount:none /usr /run/ns/usr bind", "pivot_root = /run/ns /run/ns/.old_root",
		"hook-as-root = mount:proc none /proc nodev hidepid=2", "hook-as-root = mount:none /.old_root/dev /dev bind", "hook-as-root = mount:none /.old_root/run/customer /containers bind,nosuid",
		"hook-as-root = umount:/.old_root rec,detach", "hook-as-root = hostname:container", "uid = 4001", "gid = 4001",
		"command = sh -c 'echo x >/dev/null; ls /.old_root | wc -l; ls /containers; cat /etc/name; exec sleep 1000000'")
	e := w.start(allNamespaces)
	e.running("a.ini")
	for _, line := range []string{"0", "home", "distribution"} {
		e.await("a.ini", `"msg":"`+line+`"`)
	}
	e.stop(syscall.SIGTERM)
	w.run("rm -rf /run/ns /run/customer")
}

// A new root directory that cannot be applied prevents the start; in a tenant's file it is a mistake, and in a template it
// applies to the tenant, whose text cannot change it.
func TestNewRootDirectoryMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := w.distribution()
	w.run("mkdir /run/poor")
	mistakes := map[string]mistake{
		"missing.ini": {"chroot = /nowhere", "missing.ini:2: chroot: /nowhere: no such file or directory"},
		"poor.ini":    {"pivot_root = /run/poor", "poor.ini:2: pivot_root: /run/poor: it has no directory proc for /proc (mkdir)"},
		"above.ini":   {"pivot_root = /run/poor /run", "above.ini:2: pivot_root: /run is not below /run/poor (such as /run/poor /run/poor/.old_root)"},
	}
	w.refuses(mistakes)
	w.vassal("a.ini", "chroot = "+at, serves)
	e := w.start("--emperor-use-clone=pid,net")
	e.await("a.ini", "a.ini:2: chroot: the vassal has no mounts of its own (fs in emperor-use-clone)")
	e.stop(syscall.SIGTERM)
	w.remove("a.ini")
	w.write("template.ini", ini("pivot_root = "+at))
	w.tenant("its.ini", 4001, "chroot = /", serves)
	w.tenant("b.ini", 4001, "command = sh -c 'cat /etc/name; id -u; exec sleep 1000000'")
	e = w.start(append(w.tyrant("--vassals-include", w.path("template.ini")), "--vassal-set", "read-write-paths=-"+w.base)...)
	e.await("its.ini", "its.ini:2: chroot: ")
	e.running("b.ini")
	e.await("b.ini", `"msg":"distribution"`)
	e.await("b.ini", `"msg":"4001"`)
	e.stop(syscall.SIGTERM)
	w.run("rmdir /run/poor")
}
