package namespaces

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A process sees only its new root directory, with its own /proc, and with the places of its view there; the links of the new root
// directory cannot leave it.
func TestNewRoot(t *testing.T) {
	if !isolated(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}) {
		return
	}
	planted(t, "/tmp/r/etc/hosts", "/tmp/r/a/f", "/tmp/r/a/g", "/tmp/r/old/", "/tmp/r/proc/", "/tmp/r/sys/", "/tmp/r/dev/", "/tmp/r/e/", "/tmp/host/f", "/tmp/poor/etc/", "/tmp/file")
	if err := errors.Join(os.Symlink("/a", "/tmp/r/link"), os.Symlink("../../../../a", "/tmp/r/up"), os.Symlink("/tmp/host", "/tmp/r/out"), os.Symlink("/tmp/r", "/tmp/root"),
		os.Symlink("/tmp/r", "/tmp/theirs"), os.Lchown("/tmp/theirs", 4001, 4001)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		root   NewRoot
		places []Place
		want   map[string]string
		err    string
	}{
		{root: NewRoot{Path: "/tmp/r"}, want: map[string]string{"/": "rw a dev e etc link old out proc sys up", "/tmp": "none", "/old": "rw", "/etc/hosts": "rw /tmp/r/etc/hosts", "/proc/self/comm": "rw " + comm()}},
		{root: NewRoot{Path: "/tmp/root", Old: "old"}, want: map[string]string{"/tmp": "none", "/old/tmp/host": "rw f"}},
		{
			root:   NewRoot{Path: "/tmp/r"},
			places: []Place{{Kind: ReadOnly, Path: "/"}, {Kind: ReadWrite, Path: "/proc"}, {Kind: ReadWrite, Path: "/link"}, {Kind: Inaccessible, Path: "/up/f"}, {Kind: Bind, Source: "/tmp/host", Path: "/e"}},
			want:   map[string]string{"/etc": "ro hosts", "/a": "rw f g", "/a/f": "ro", "/a/g": "rw /tmp/r/a/g", "/e": "rw f", "/e/f": "rw /tmp/host/f", "/proc/self/comm": "rw " + comm()},
		},
		{
			root:   NewRoot{Path: "/tmp/r"},
			places: []Place{{Kind: Devices, Path: "/dev"}, {Kind: Temporary, Path: "/e", Data: "mode=0755"}, {Kind: BindReadOnly, Source: "/tmp/host", Path: "/e/deep/er"}},
			want:   map[string]string{"/dev/null": "rw", "/e/deep/er/f": "ro /tmp/host/f"},
		},
		{root: NewRoot{Path: "/tmp/r"}, places: []Place{{Kind: ReadOnly, Path: "/out/f"}}, err: "w: /out/f: file does not exist"},
		{root: NewRoot{Path: "/tmp/r"}, places: []Place{{Kind: Bind, Source: "/a", Path: "/e"}}, err: "w: /a on /e: "},
		{root: NewRoot{Path: "/tmp/none"}, err: "w: /tmp/none: no such file or directory"},
		{root: NewRoot{Path: "/tmp/file"}, err: "w: /tmp/file: not a directory"},
		{root: NewRoot{Path: "/tmp/poor"}, err: "w: /tmp/poor: it has no directory proc for /proc (mkdir)"},
		{root: NewRoot{Path: "/tmp/theirs"}, err: "a symbolic link of uid 4001 is not followed"},
		{root: NewRoot{Path: "/tmp/r", Old: "up"}, err: "w: /tmp/r: up: too many levels of symbolic links"},
		{root: NewRoot{Path: "/tmp/r", Old: "none"}, err: "w: /tmp/r: none: no such file or directory"},
	} {
		c.root.Where = "w"
		for i := range c.places {
			c.places[i].Where = "w"
		}
		apart(t, func() {
			err := FileSystem{Root: &c.root, Places: c.places}.Enter(NewMount, ProcView{})
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || c.err == "" && err != nil {
				t.Errorf("%v: %v, not %q", c.places, err, c.err)
				return
			}
			for path, want := range c.want {
				if got := look(path); got != want {
					t.Errorf("%v: %s is %q, not %q", c.places, path, got, want)
				}
			}
			if mounts, _ := os.ReadFile("/proc/thread-self/mountinfo"); c.err == "" && c.root.Old == "" && strings.Contains(string(mounts), " /tmp/") {
				t.Errorf("the old root directory is still mounted:\n%s", mounts)
			}
		})
	}
	if got := look("/tmp/host/f"); got != "rw /tmp/host/f" {
		t.Errorf("the process has changed the root directory of the others: %q", got)
	}
}

func comm() string {
	name, _ := os.ReadFile("/proc/self/comm")
	return strings.TrimSpace(string(name))
}

// A user who exchanges components of the path of the new root directory gets no other one.
func TestNewRootSwapped(t *testing.T) {
	if !isolated(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}) {
		return
	}
	planted(t, "/tmp/d/r/proc/", "/tmp/d/r/mark", "/tmp/e/r/proc/", "/tmp/e/r/other")
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, "/tmp/d", unix.AT_FDCWD, "/tmp/e", unix.RENAME_EXCHANGE)
			}
		}
	}()
	for range 200 {
		apart(t, func() {
			err := FileSystem{Root: &NewRoot{Path: "/tmp/d/r"}, Places: []Place{{Kind: ReadOnly, Path: "/"}}}.Enter(NewMount, ProcView{})
			if err != nil {
				return // it has noticed
			}
			one, other := look("/mark"), look("/other")
			if (one == "none") == (other == "none") || strings.HasPrefix(one+other, "rw") {
				t.Errorf("the root directory has mark %q, other %q", one, other)
			}
		})
	}
	close(stop)
	<-done
}
