package namespaces

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// planted makes files below /tmp, which is a file system of the test: directories end with a slash, and files contain their
// names.
func planted(t *testing.T, names ...string) {
	t.Helper()
	if err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("ground", "/tmp", "tmpfs", 0, "")); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		err := os.MkdirAll(filepath.Dir(name), 0o755)
		if !strings.HasSuffix(name, "/") {
			err = errors.Join(err, os.WriteFile(name, []byte(name), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// apart calls f on a thread with a mount namespace of its own, which ends with it.
func apart(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := errors.Join(unix.Unshare(unix.CLONE_NEWNS|unix.CLONE_FS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""))
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// look describes a path: its content, or the names in it, and rw or ro.
func look(path string) string {
	access := "ro"
	info, err := os.Stat(path)
	if err != nil {
		return "none"
	}
	if info.IsDir() {
		if f, err := os.CreateTemp(path, "try"); err == nil {
			access = "rw"
			f.Close()
			os.Remove(f.Name())
		}
		entries, _ := os.ReadDir(path)
		for _, e := range entries {
			access += " " + e.Name()
		}
		return access
	}
	if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
		f.Close()
		access = "rw"
	}
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(access + " " + string(text))
}

func TestPlaces(t *testing.T) {
	if !isolated(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}) {
		return
	}
	planted(t, "/tmp/a/f", "/tmp/a/b/c/f", "/tmp/a/b/g", "/tmp/s/t/f", "/tmp/e/")
	if err := errors.Join(os.Symlink("/tmp/a/b", "/tmp/link"), os.Symlink("/tmp/a/b", "/tmp/theirs"), os.Lchown("/tmp/theirs", 4001, 4001)); err != nil {
		t.Fatal(err)
	}
	missing := "file does not exist (-/tmp/none may be missing)"
	for _, c := range []struct {
		places []Place
		want   map[string]string
		err    string
	}{
		{places: []Place{{Kind: ReadOnly, Path: "/tmp/a"}}, want: map[string]string{"/tmp/a": "ro b f", "/tmp/a/b/c/f": "ro /tmp/a/b/c/f", "/tmp/e": "rw"}},
		{places: []Place{{Kind: ReadOnly, Path: "/tmp/a"}, {Kind: ReadWrite, Path: "/tmp/a/b"}, {Kind: ReadOnly, Path: "/tmp/a/b/c"}}, want: map[string]string{"/tmp/a": "ro b f", "/tmp/a/b": "rw c g", "/tmp/a/b/c": "ro f"}},
		{places: []Place{{Kind: ReadOnly, Path: "/"}, {Kind: ReadWrite, Path: "/tmp/a/b"}}, want: map[string]string{"/tmp": "ro a e link s theirs", "/tmp/a/b": "rw c g", "/tmp/a/f": "ro /tmp/a/f"}},
		{places: []Place{{Kind: Inaccessible, Path: "/tmp/a/f"}, {Kind: Inaccessible, Path: "/tmp/a/b"}}, want: map[string]string{"/tmp/a/f": "ro", "/tmp/a/b": "ro", "/tmp/a": "rw b f"}},
		{places: []Place{{Kind: Inaccessible, Path: "/tmp/a"}, {Kind: ReadWrite, Path: "/tmp/a/b/c"}}, want: map[string]string{"/tmp/a": "ro b", "/tmp/a/b": "ro c", "/tmp/a/b/c": "rw f"}},
		{places: []Place{{Kind: Inaccessible, Path: "/tmp/a"}, {Kind: ReadOnly, Path: "/tmp/a/b"}, {Kind: Inaccessible, Path: "/tmp/a/f"}}, want: map[string]string{"/tmp/a": "ro", "/tmp/a/b": "none"}},
		{places: []Place{{Kind: Temporary, Path: "/tmp/a", Data: "mode=0755,size=1m"}, {Kind: Bind, Path: "/tmp/a/x/y", Source: "/tmp/s"}, {Kind: BindReadOnly, Path: "/tmp/a/z", Source: "/tmp/s/t/f"}}, want: map[string]string{"/tmp/a": "rw x z", "/tmp/a/x/y": "rw t", "/tmp/a/z": "ro /tmp/s/t/f"}},
		{places: []Place{{Kind: Temporary, Path: "/tmp/a", Data: "ro"}, {Kind: ReadOnly, Path: "/tmp/a/b"}}, want: map[string]string{"/tmp/a": "ro"}},
		{places: []Place{{Kind: Bind, Path: "/tmp/e", Source: "/tmp/s"}, {Kind: ReadOnly, Path: "/tmp/e/t"}, {Kind: Inaccessible, Path: "/tmp/e/t/f"}}, want: map[string]string{"/tmp/e": "rw t", "/tmp/e/t": "ro f", "/tmp/e/t/f": "ro", "/tmp/s/t/f": "rw /tmp/s/t/f"}},
		{places: []Place{{Kind: Bind, Path: "/tmp/e", Source: "/tmp/s"}, {Kind: ReadOnly, Path: "/tmp/e"}}, want: map[string]string{"/tmp/e": "ro t", "/tmp/s": "rw t"}},
		{places: []Place{{Kind: ReadWrite, Path: "/tmp/a"}, {Kind: ReadOnly, Path: "/tmp/a"}, {Kind: Inaccessible, Path: "/tmp/link"}, {Kind: ReadOnly, Path: "/tmp/a/b"}}, want: map[string]string{"/tmp/a": "ro b f", "/tmp/a/b": "ro"}},
		{places: []Place{{Kind: ReadOnly, Path: "/tmp/none", Optional: true}, {Kind: Bind, Path: "/tmp/e", Source: "/tmp/none", Optional: true}, {Kind: Bind, Path: "/tmp/none", Source: "/tmp/s", Optional: true}}, want: map[string]string{"/tmp/e": "rw"}},
		{places: []Place{{Kind: ReadOnly, Path: "/tmp/none"}}, err: "w: /tmp/none: " + missing},
		{places: []Place{{Kind: Bind, Path: "/tmp/e", Source: "/tmp/none"}}, err: "w: /tmp/none on /tmp/e: "},
		{places: []Place{{Kind: ReadOnly, Path: "/tmp/theirs/c"}}, err: "w: /tmp/theirs/c: /tmp/theirs: a symbolic link of uid 4001 is not followed"},
		{places: []Place{{Kind: Bind, Path: "/tmp/e", Source: "/tmp/theirs"}}, err: "a symbolic link of uid 4001 is not followed"},
		{places: []Place{{Kind: Bind, Path: "/tmp/e", Source: "/tmp/a/f"}}, err: "w: /tmp/a/f on /tmp/e: move_mount: "},
	} {
		for i := range c.places {
			c.places[i].Where = "w"
		}
		apart(t, func() {
			err := FileSystem{Places: c.places}.Apply()
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || c.err == "" && err != nil {
				t.Errorf("%v: %v, not %q", c.places, err, c.err)
				return
			}
			for path, want := range c.want {
				if got := look(path); got != want {
					t.Errorf("%v: %s is %q, not %q", c.places, path, got, want)
				}
			}
		})
	}
	if got := look("/tmp/a") + look("/tmp/e"); got != "rw b frw" {
		t.Errorf("outside is %q", got)
	}
}

// A working directory below a new mount is no way around it.
func TestWorkingDirectoryIsEnteredAgain(t *testing.T) {
	if !isolated(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}) {
		return
	}
	planted(t, "/tmp/a/f")
	for kind, want := range map[PlaceKind]string{ReadOnly: "ro f", Temporary: "rw", Inaccessible: "ro"} {
		apart(t, func() {
			if err := errors.Join(unix.Chdir("/tmp/a"), (FileSystem{Places: []Place{{Kind: kind, Path: "/tmp/a"}}}).Apply()); err != nil {
				t.Error(err)
			}
			if got := look("."); got != want {
				t.Errorf("%s: the working directory is %q", kind, got)
			}
		})
	}
}

func TestPrivateDevices(t *testing.T) {
	if !isolated(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}) {
		return
	}
	planted(t)
	apart(t, func() {
		err := FileSystem{Places: []Place{{Kind: ReadOnly, Path: "/"}, {Kind: Devices, Path: "/dev"}, {Kind: Temporary, Path: "/dev/shm", Data: "mode=1777"}}}.Apply()
		if err != nil {
			t.Error(err)
			return
		}
		if got := look("/dev"); got != "ro fd full null ptmx pts random shm stderr stdin stdout tty urandom zero" && got != "ro fd full log null ptmx pts random shm stderr stdin stdout tty urandom zero" {
			t.Errorf("/dev is %q", got)
		}
		if got := look("/dev/shm"); got != "rw" {
			t.Errorf("/dev/shm is %q", got)
		}
		if err := os.WriteFile("/dev/null", []byte("x"), 0); err != nil {
			t.Error(err)
		}
		if f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
			t.Error(err)
		} else {
			f.Close()
		}
	})
}

// swaps counts exchanges of a directory of a tenant with his link to a directory of root.
type swaps struct{ count, stop atomic.Int64 }

func (s *swaps) run(t *testing.T, a, b string) {
	for s.stop.Load() == 0 {
		if err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE); err != nil {
			t.Error(err)
			return
		}
		s.count.Add(1)
	}
}

// A tenant who exchanges each component of a path with links to another directory reaches nothing outside: no mount is there, and
// nothing there becomes writable or visible. Each option is applied often while he does that.
func TestPlacesAgainstSwaps(t *testing.T) {
	if !isolated(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}) {
		return
	}
	cycles := 60
	if os.Getenv("EMPEROR_SOAK") != "" {
		cycles = 600
	}
	for _, kind := range []PlaceKind{ReadOnly, ReadWrite, Inaccessible, Temporary, Bind, BindReadOnly} {
		for depth, swapped := range []string{"/tmp/t/x", "/tmp/t/x/y", "/tmp/t/x/y/z"} {
			t.Run(fmt.Sprint(kind, depth), func(t *testing.T) {
				planted(t, "/tmp/t/x/y/z/mine", "/tmp/secret/x/y/z/mark", "/tmp/secret/y/z/mark", "/tmp/secret/z/mark", "/tmp/secret/mark", "/tmp/dst/")
				defer func() { _ = unix.Unmount("/tmp", unix.MNT_DETACH) }()
				link := filepath.Join(filepath.Dir(swapped), "other")
				if err := errors.Join(os.Symlink("/tmp/secret", link), os.Lchown(link, 4001, 4001)); err != nil {
					t.Fatal(err)
				}
				var s swaps
				ended := make(chan struct{})
				go func() { defer close(ended); s.run(t, swapped, link) }()
				applied := 0
				for range cycles {
					apart(t, func() {
						if swapping(t, kind) {
							applied++
						}
					})
				}
				s.stop.Store(1)
				<-ended
				t.Logf("%d swaps, %d of %d applied", s.count.Load(), applied, cycles)
				if s.count.Load() < int64(cycles) {
					t.Errorf("only %d swaps", s.count.Load())
				}
			})
		}
	}
}

// swapping applies one place, and examines the directory of root. It reports whether the place was applied.
func swapping(t *testing.T, kind PlaceKind) bool {
	secret, err := os.Open("/tmp/secret")
	if err != nil {
		t.Error(err)
		return false
	}
	defer secret.Close()
	before, _ := mountID(secret)
	places := []Place{{Kind: kind, Path: "/tmp/t/x/y/z", Where: string(kind)}}
	writable := "rw"
	switch kind {
	case ReadWrite:
		places = append(places, Place{Kind: ReadOnly, Path: "/"})
		writable = "ro"
	case Bind, BindReadOnly:
		places[0].Source, places[0].Path = places[0].Path, "/tmp/dst"
	}
	err = FileSystem{Places: places}.Apply()
	for _, path := range []string{"/tmp/secret", "/tmp/secret/z", "/tmp/secret/y/z", "/tmp/secret/x/y/z"} {
		f, err := os.Open(path)
		if err != nil {
			t.Errorf("%s is hidden: %v", path, err)
			continue
		}
		after, _ := mountID(f)
		f.Close()
		if got := look(path); after != before || !strings.HasPrefix(got, writable) && kind != ReadWrite || !strings.Contains(got, "mark") {
			t.Errorf("%s is %q, in mount %d instead of %d", path, got, after, before)
		}
	}
	if err != nil {
		return false
	}
	if got := look("/tmp/secret"); !strings.HasPrefix(got, writable) {
		t.Errorf("/tmp/secret is %q", got)
	}
	if got := look("/tmp/dst"); strings.Contains(got, "mark") {
		t.Errorf("the tenant sees %q", got)
	}
	return true
}
