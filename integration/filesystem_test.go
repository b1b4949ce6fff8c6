//go:build linux

package integration

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// filesAt has the files of these stories, outside of /tmp.
const filesAt = "/run/files"

// ownFiles are the options about files of a vassal in these stories.
func ownFiles() []string {
	return []string{
		"uid = 4001", "gid = 4001", "runtime-directory = files-%n", "private-tmp = true", "private-devices = true", "protect-system = strict", "protect-home = true",
		"protect-proc = invisible", "read-write-paths = " + filesAt + "/data", "inaccessible-paths = " + filesAt + "/secret", "inaccessible-paths = -/nowhere",
		"temporary-file-system = " + filesAt + "/empty" + ":mode=0755", "bind-paths = " + filesAt + "/data" + ":" + filesAt + "/empty/data",
		"bind-read-only-paths = " + filesAt + "/data" + ":" + filesAt + "/ro",
		"command = sh -c 'echo $0 >/tmp/own; echo $0 >$RUNTIME_DIRECTORY/own; exec sleep 1000000' %n",
	}
}

// peerGroup is the number of a peer group of mounts, which changes with other mounts.
var peerGroup = regexp.MustCompile(`^(shared|master|propagate_from):[0-9]+$`)

// mountsOf returns the mounts of a mountinfo (proc(5)) without the numbers, which a new mount has not in common with an earlier one.
func mountsOf(text string) (list []string) {
	for one := range strings.Lines(text) {
		fields := strings.Fields(one)
		for i, f := range fields {
			fields[i] = peerGroup.ReplaceAllString(f, "$1")
		}
		list = append(list, strings.Join(fields[3:], " "))
	}
	slices.Sort(list)
	return list
}

// A vassal has the view of the file system that its lines describe, also in a user namespace; the host and other vassals see nothing of
// it, and the host can unmount its file systems.
func TestOwnFileSystem(t *testing.T) {
	for name, args := range map[string][]string{"root": {allNamespaces + ",cgroup"}, "user namespace": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if args == nil {
				args = w.ranged()
			}
			w.run(fmt.Sprintf("mkdir %[1]s && cd %[1]s && mkdir -m 777 data && mkdir secret empty ro usb && echo x >secret/key && mount -t tmpfs usb usb", filesAt))
			before := mountsOf(w.run("cat /proc/self/mountinfo"))
			for _, name := range []string{"a.ini", "b.ini"} {
				w.vassal(name, ownFiles()...)
			}
			e := w.start(args...)
			e.running("a.ini")
			e.running("b.ini")
			s := filesAt
			for _, c := range [][2]string{
				{"cat /tmp/own $RUNTIME_DIRECTORY/own 2>/dev/null", "a"},
				{"cat /run/files-a/own", "a"},
				{"touch /etc/x /usr/x /srv/x " + s + "/x 2>&1 | grep -c 'Read-only file system'", "4"},
				{"touch " + s + "/data/x && ls " + s + "/empty/data/x " + s + "/ro/x | grep -c x", "2"},
				{"touch " + s + "/empty/data/y && ls " + s + "/data/y | grep -c y", "1"},
				{"touch " + s + "/ro/z 2>&1 | grep -o 'Read-only'", "Read-only"},
				{"ls " + s + "/secret /home /root 2>&1 | grep -c 'Permission denied'", "3"},
				{"ls /sys/class/net", "lo"},
				{"ls /proc/acpi /sys/firmware 2>&1 | grep -c 'Permission denied'", "2"},
				{"touch /sys/x 2>&1 | grep -o 'Read-only'", "Read-only"},
				{"echo x >/dev/null && head -c 3 /dev/zero | wc -c", "3"},
				{"ls /dev | grep -c '^kmsg$\\|^mem$\\|^vda'", "0"},
				{"touch /dev/shm/x /var/tmp/x && ls /dev/shm /var/tmp | xargs", "/dev/shm: x /var/tmp: x"},
				{"ls -d /proc/1 2>&1 | grep -o 'No such'", "No such"},
			} {
				script, want := c[0], c[1]
				out, _ := w.command("enter", "a", "sh", "-c", script)
				if got := strings.TrimSpace(out); got != want {
					t.Errorf("%s: %q, not %q", script, got, want)
				}
			}
			facts := w.succeed("status", "--security", "a")
			for _, fact := range []string{"temporary files of its own", "a /dev of its own", "processes of other users are hidden", "the system is read-only"} {
				if !strings.Contains(facts, "    -  "+fact) {
					t.Errorf("%q is not among\n%s", fact, facts)
				}
			}
			if out, _ := w.command("enter", "b", "cat", "/tmp/own"); strings.TrimSpace(out) != "b" {
				t.Errorf("the neighbour's file is %q", out)
			}
			if _, err := os.Stat("/tmp/own"); err == nil {
				t.Error("the file is the host's")
			}
			w.run("umount " + s + "/usb && mount -t tmpfs usb " + s + "/usb")
			cycles := 3
			if os.Getenv(soakEnv) != "" {
				cycles = 1000
			}
			for range cycles {
				w.succeed("restart", "--wait", "a")
			}
			e.stop(syscall.SIGTERM)
			if after := mountsOf(w.run("cat /proc/self/mountinfo")); !slices.Equal(after, before) {
				t.Errorf("the mounts were\n%s\nand are\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
			}
			w.run("umount " + s + "/usb; rm -rf " + s)
		})
	}
}

// Hooks set the sysctls of the vassal's network, and sysctls of its other namespaces if the operator permits it.
func TestKernelTunables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const network = "hook-as-root = sysctl:net.ipv4.ip_forward=1"
	const ipc = "hook-as-root = sysctl:kernel.msgmax=9000"
	w.vassal("network.ini", network, serves)
	w.vassal("ipc.ini", ipc, serves)
	w.vassal("permitted.ini", network, ipc, "protect-kernel-tunables = false",
		"exec-as-root = test $(cat /proc/sys/kernel/msgmax) = 9000", serves)
	e := w.start(allNamespaces)
	e.running("network.ini")
	e.await("ipc.ini", "read-only file system (protect-kernel-tunables = false)")
	e.running("permitted.ini")
}

// An option about files that cannot be applied prevents the start, with its line.
func TestFileSystemMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	link := w.path("s/theirs")
	if err := os.Symlink("/etc", link); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(link, 4001, 4001); err != nil {
		t.Fatal(err)
	}
	w.write("more.ini", "[uwsgi]\nprivate-tmp = true\n")
	mistakes := map[string]mistake{
		"missing.ini": {"read-only-paths = /nowhere", "missing.ini:2: read-only-paths: /nowhere: file does not exist (-/nowhere may be missing)"},
		"link.ini":    {"bind-paths = " + link + ":/mnt", "link.ini:2: bind-paths: " + link + " on /mnt: " + link + ": a symbolic link of uid 4001 is not followed"},
		"hidden.ini":  {"ini = " + w.path("more.ini"), "more.ini:2: private-tmp: the emperor cannot read it here"},
	}
	w.refuses(mistakes)
	w.vassal("a.ini", "private-tmp = true", serves)
	w.vassal("b.ini", "proc-subset = pid", serves)
	e := w.start("--emperor-use-clone=pid,net")
	e.await("a.ini", "a.ini:2: private-tmp: the vassal has no mounts of its own (fs in emperor-use-clone)")
	e.stop(syscall.SIGTERM)
	e = w.start("--emperor-use-clone=fs,net")
	e.running("a.ini")
	e.await("b.ini", "b.ini:2: proc-subset: the vassal has no /proc of its own (pid in emperor-use-clone)")
}

// The built-in server serves, and its vassal reloads, in the strictest view.
func TestServingInAnOwnFileSystem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir -p " + filesAt + "/pages && echo a page >" + filesAt + "/pages/page")
	w.vassal("a.ini", "http-socket = /run/strict/http.sock", "runtime-directory = strict", fmt.Sprintf(pages, filesAt+"/pages"), "uid = 4001", "gid = 4001",
		"private-tmp = true", "private-devices = true", "protect-system = strict", "protect-home = true", "protect-proc = invisible", "proc-subset = pid", "no-new-privileges = true",
		"system-call-filter = default", "cap = none")
	e := w.start(w.ranged()...)
	e.running("a.ini")
	page := func() string { return w.run("curl -sS --unix-socket /run/strict/http.sock http://a/page 2>&1 || true") }
	if got := page(); got != "a page" {
		t.Errorf("%q", got)
	}
	w.succeed("reload", "--wait", "a")
	if got := page(); got != "a page" {
		t.Errorf("after a reload %q", got)
	}
	w.run("rm -rf " + filesAt)
}

// mistake is a line of a vassal's file that prevents its start, and the beginning of the reason.
type mistake struct{ line, want string }

// refuses starts an emperor with a vassal for each mistake, by name, and removes the vassals after their reasons are
// logged.
func (w *world) refuses(mistakes map[string]mistake) {
	w.t.Helper()
	for name, m := range mistakes {
		w.vassal(name, m.line, serves)
	}
	e := w.start(allNamespaces)
	for name, m := range mistakes {
		e.await(name, m.want)
	}
	e.stop(syscall.SIGTERM)
	for name := range mistakes {
		w.remove(name)
	}
}
