package namespaces

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// mounted is the state that a child finds after PrepareMounts.
type mounted struct {
	Proc       string // the destination of /proc/self
	Options    string // of /proc, when it is new
	Shared     int    // mounts with a peer group of their own
	SeenBefore bool   // the mark in DIR before the test removed it
	SeenAfter  bool
}

func mounts() (any, error) {
	made, dir := Flags(0), os.Getenv("DIR")
	if list := os.Getenv("MADE"); list != "" {
		var err error
		if made, err = ParseFlags(list); err != nil {
			return nil, err
		}
	}
	if err := PrepareMounts(made, ProcView{}); err != nil {
		return nil, err
	}
	var m mounted
	m.Proc, _ = os.Readlink("/proc/self")
	for line := range strings.Lines(text2("/proc/self/mountinfo")) {
		fields := strings.Fields(line)
		if fields[4] == "/proc" {
			m.Options = fields[5]
		}
		if strings.Contains(line, " shared:") {
			m.Shared++
		}
	}
	if !made.Has(NewMount) {
		return m, nil
	}
	// A mount that must not appear outside, and a mark that comes from outside.
	if err := unix.Mount("inside", filepath.Join(dir, "inside"), "tmpfs", 0, ""); err != nil {
		return nil, err
	}
	m.SeenBefore = exists(filepath.Join(dir, "outside/mark"))
	if err := untilTold(); err != nil {
		return nil, err
	}
	m.SeenAfter = exists(filepath.Join(dir, "outside/mark"))
	return m, nil
}

func text2(file string) string {
	b, _ := os.ReadFile(file)
	return string(b)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// sharedMounts makes the mounts of the test's own mount namespace shared, as on most hosts,
// and mounts a filesystem in dir/outside.
func sharedMounts(t *testing.T) (dir string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"inside", "outside"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Private first: nothing of this reaches the host.
	for _, flags := range []uintptr{unix.MS_REC | unix.MS_PRIVATE, unix.MS_REC | unix.MS_SHARED} {
		if err := unix.Mount("", "/", "", flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("outside", filepath.Join(dir, "outside"), "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(filepath.Join(dir, "outside"), unix.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(dir, "outside/mark"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPrepareMounts(t *testing.T) {
	if !isolated(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}) {
		return
	}
	for _, made := range []Flags{NewMount, NewMount | NewPID} {
		t.Run(made.String(), func(t *testing.T) {
			dir := sharedMounts(t)
			before := text2("/proc/self/mountinfo")
			a := act(t, newSpawner(t), "mounts", Command{Namespaces: made, Env: []string{"MADE=" + made.String(), "DIR=" + dir}})
			a.comeThisFar()
			if after := text2("/proc/self/mountinfo"); after != before {
				t.Errorf("the mounts outside were\n%s\nand are\n%s", before, after)
			}
			if err := unix.Unmount(filepath.Join(dir, "outside"), 0); err != nil {
				t.Errorf("while the child runs: %v", err)
			}
			var m mounted
			a.finish(&m)
			if m.Shared != 0 {
				t.Errorf("%d mounts are still shared", m.Shared)
			}
			if !m.SeenBefore || m.SeenAfter {
				t.Errorf("a mount of the host: seen before umount %v, after %v", m.SeenBefore, m.SeenAfter)
			}
			if made.Has(NewPID) && (m.Proc != "1" || m.Options != "rw,nosuid,nodev,noexec,relatime") {
				t.Errorf("/proc/self is %s, options of /proc %q", m.Proc, m.Options)
			}
		})
	}
}

func TestPrepareMountsLeavesOurs(t *testing.T) {
	if !isolated(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}) {
		return
	}
	sharedMounts(t)
	for _, made := range []Flags{0, NewPID, NewNet | NewUTS} {
		before := text2("/proc/self/mountinfo")
		a := act(t, newSpawner(t), "mounts", Command{Namespaces: made, Env: []string{"MADE=" + made.String()}})
		var m mounted
		a.finish(&m)
		if m.Shared == 0 || text2("/proc/self/mountinfo") != before {
			t.Errorf("%v: mounts have changed: %d are shared", made, m.Shared)
		}
	}
}

// wrongProc checks a /proc of another pid namespace, maskedProc a missing one.
func wrongProc() (any, error) { return errorText(checkProc()), nil }

func maskedProc() (any, error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, err
	}
	if err := unix.Mount("mask", "/proc", "tmpfs", 0, ""); err != nil {
		return nil, err
	}
	return errorText(checkProc()), nil
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestCheckProcFailsClosed(t *testing.T) {
	needRoot(t)
	s := newSpawner(t)
	var got string
	a := act(t, s, "wrong proc", Command{Namespaces: NewPID | NewMount})
	a.finish(&got)
	if want := "cannot mount /proc: it shows process "; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "as this one, which is 1") {
		t.Errorf("%q", got)
	}
	act(t, s, "masked proc", Command{Namespaces: NewPID | NewMount}).finish(&got)
	if want := "cannot mount /proc: it is another filesystem"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
