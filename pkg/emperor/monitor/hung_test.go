package monitor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/reads"
)

// inMounts runs a test once more in a process with mounts of its own, and reports whether
// it runs there already.
func inMounts(t *testing.T) bool {
	t.Helper()
	const key = "MONITOR_TEST_IN_MOUNTS"
	if os.Getenv(key) == t.Name() {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), key+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EINVAL):
		t.Skipf("no mounts of one's own: %v", err)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skip(string(out))
	case err != nil || !strings.Contains(string(out), "--- PASS"):
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// hang mounts a file system that does not answer, until release is called.
func hang(t *testing.T, at string) (release func()) {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no file system that hangs: %v", err)
	}
	if err := unix.Mount("hung", at, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)); err != nil {
		unix.Close(fd)
		t.Skipf("no file system that hangs: %v", err)
	}
	released := false
	release = func() {
		if !released {
			released = true
			unix.Close(fd) // the calls that wait fail
			_ = unix.Unmount(at, unix.MNT_DETACH)
		}
	}
	t.Cleanup(release)
	return release
}

func mkdir(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// umount waits while a read of the monitor has a file or a directory open there.
func umount(t *testing.T, path string) {
	t.Helper()
	err := unix.Unmount(path, 0)
	for begin := time.Now(); errors.Is(err, unix.EBUSY) && time.Since(begin) < reads.Limit; err = unix.Unmount(path, 0) {
		time.Sleep(time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// soon fails when something has taken longer than a file system that answers takes.
func soon(t *testing.T, since time.Time) {
	t.Helper()
	if took := time.Since(since); took > reads.Limit {
		t.Errorf("it took %v", took)
	}
}

const tooSlow = "(cannot be read: it takes too long)"

// A file that cannot be read delays no other, and the monitor reports the reason.
func TestFileThatDoesNotAnswer(t *testing.T) {
	if !inMounts(t) {
		return
	}
	d, dir := newDir(t, 50*time.Millisecond)
	hung := mkdir(t, filepath.Join(t.TempDir(), "hung"))
	release := hang(t, hung)
	write(t, filepath.Join(dir, "a.ini"), "1")
	write(t, filepath.Join(dir, "k.ini"), "old")
	link(t, filepath.Join(hung, "x.ini"), filepath.Join(dir, "new.ini"))
	begun := time.Now()
	r := run(t, d)
	r.until(t, "a.ini=1 k.ini=old new.ini=(is still being read)")
	soon(t, begun)
	r.until(t, "a.ini=1 k.ini=old new.ini="+tooSlow)
	begun = time.Now()
	write(t, filepath.Join(dir, "a.ini"), "2")
	r.until(t, "a.ini=2 k.ini=old new.ini="+tooSlow)
	soon(t, begun)
	remove(t, filepath.Join(dir, "k.ini"))
	link(t, filepath.Join(hung, "y.ini"), filepath.Join(dir, "k.ini"))
	r.until(t, "a.ini=2 k.ini="+tooSlow+" new.ini="+tooSlow)
	remove(t, filepath.Join(dir, "k.ini"))
	write(t, filepath.Join(dir, "k.ini"), "new") // the path is free again only when the read ends
	release()
	write(t, filepath.Join(hung, "x.ini"), "answers")
	r.until(t, "a.ini=2 k.ini=new new.ini=answers")
}

// However many files of a file system hang: files of others are still read.
func TestManyFilesThatDoNotAnswer(t *testing.T) {
	if !inMounts(t) {
		return
	}
	d, dir := newDir(t, 0)
	hung := mkdir(t, filepath.Join(t.TempDir(), "hung"))
	hang(t, hung)
	for i := range 60 {
		link(t, fmt.Sprintf("%s/%d.ini", hung, i), fmt.Sprintf("%s/h%d.ini", dir, i))
	}
	r := run(t, d)
	for set := r.next(t); strings.Count(render(set), tooSlow) < 60; set = r.next(t) {
	}
	before := threads(t)
	begun := time.Now()
	write(t, filepath.Join(dir, "a.ini"), "1")
	elsewhere := filepath.Join(t.TempDir(), "b")
	write(t, elsewhere, "2")
	link(t, elsewhere, filepath.Join(dir, "b.ini"))
	for set := r.next(t); !strings.HasPrefix(render(set), "a.ini=1 b.ini=2 h0.ini="); set = r.next(t) {
	}
	soon(t, begun)
	if before > 60 {
		t.Errorf("%d threads hang", before)
	}
}

func threads(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// A directory that does not answer keeps its vassals, and the end of the monitor waits for
// nothing.
func TestDirectoryThatDoesNotAnswer(t *testing.T) {
	if !inMounts(t) {
		return
	}
	d, dir := newDir(t, 50*time.Millisecond)
	write(t, filepath.Join(dir, "a.ini"), "1")
	r := run(t, d)
	r.until(t, "a.ini=1")
	release := hang(t, dir)
	r.logs(t, `cannot read the directory; its vassals keep running directory=`+dir+` error="it takes too long"`)
	release()
	write(t, filepath.Join(dir, "a.ini"), "2")
	r.until(t, "a.ini=2")
	r.logs(t, "the directory can be read again")
	hang(t, dir)
	begun := time.Now()
	t.Cleanup(func() { soon(t, begun) })
}

// One that does not answer at the start has no vassals yet, and is claimed when it does.
func TestDirectoryThatDoesNotAnswerAtFirst(t *testing.T) {
	if !inMounts(t) {
		return
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.ini"), "1")
	release := hang(t, dir)
	file := filepath.Join(t.TempDir(), "claims")
	d := governing(t, dir, claimed(t, file))
	if err := d.Lock(); err != nil {
		t.Fatal(err)
	}
	r := run(t, d)
	r.until(t, "")
	release()
	r.until(t, "a.ini=1")
	if _, says := other(t.Context(), t, file, dir); !strings.Contains(says, "another emperor does") {
		t.Errorf("it is not claimed: %s", says)
	}
}

// Of the directories of a pattern one that does not answer holds up none of the others.
func TestDirectoryOfAPatternThatDoesNotAnswer(t *testing.T) {
	if !inMounts(t) {
		return
	}
	g, dir := newGlob(t, "*/v/*.ini")
	for _, name := range []string{"a", "b", "c"} {
		write(t, filepath.Join(mkdir(t, filepath.Join(dir, name, "v")), "x.ini"), "1")
	}
	hang(t, mkdir(t, filepath.Join(dir, "z", "v")))
	begun := time.Now()
	r := run(t, based{g})
	r.until(t, "a/v/x.ini=1 b/v/x.ini=1 c/v/x.ini=1")
	soon(t, begun)
	hang(t, filepath.Join(dir, "b", "v"))
	begun = time.Now()
	write(t, filepath.Join(dir, "a", "v", "x.ini"), "2")
	r.until(t, "a/v/x.ini=2 b/v/x.ini=1 c/v/x.ini=1")
	soon(t, begun)
	if err := os.RemoveAll(filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	r.until(t, "a/v/x.ini=2 b/v/x.ini=1")
}

// A file system that comes over the directory, or goes from there, takes no vassals along:
// only files of its own do.
func TestFileSystemOverTheDirectory(t *testing.T) {
	if !inMounts(t) {
		return
	}
	tmpfs := func(at string) {
		t.Helper()
		if err := unix.Mount("tmpfs", at, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
	}
	const covered = `error="an empty file system lies over it, or its own is no longer mounted"`
	t.Run("directory", func(t *testing.T) {
		d, dir := newDir(t, 20*time.Millisecond)
		write(t, filepath.Join(dir, "a.ini"), "1")
		write(t, filepath.Join(dir, "b.ini"), "1")
		r := run(t, d)
		r.until(t, "a.ini=1 b.ini=1")
		tmpfs(dir)
		mkdir(t, filepath.Join(dir, "lost+found"))
		r.logs(t, covered)
		r.quiet(t)
		umount(t, dir)
		write(t, filepath.Join(dir, "a.ini"), "2")
		r.until(t, "a.ini=2 b.ini=1")
		r.logs(t, "the directory can be read again")
		tmpfs(dir)
		write(t, filepath.Join(dir, "c.ini"), "3")
		r.until(t, "c.ini=3")
		r.logs(t, "another file system is at the directory than before: its files count now")
		umount(t, dir) // and back
		r.until(t, "a.ini=2 b.ini=1")
		remove(t, filepath.Join(dir, "a.ini"))
		remove(t, filepath.Join(dir, "b.ini"))
		r.until(t, "")
	})
	t.Run("its own is unmounted", func(t *testing.T) {
		dir := mkdir(t, filepath.Join(t.TempDir(), "vassals"))
		tmpfs(dir)
		write(t, filepath.Join(dir, "a.ini"), "1")
		d, err := NewDir(dir, DirOptions{Rescan: 20 * time.Millisecond, Log: discard})
		if err != nil {
			t.Fatal(err)
		}
		r := run(t, d)
		r.until(t, "a.ini=1")
		umount(t, dir)
		r.logs(t, covered)
		r.quiet(t)
	})
	t.Run("pattern", func(t *testing.T) {
		g, dir := newGlob(t, "*/v/*.ini")
		g.options.Rescan = 20 * time.Millisecond
		for _, name := range []string{"a", "b"} {
			write(t, filepath.Join(mkdir(t, filepath.Join(dir, name, "v")), "x.ini"), "1")
		}
		r := run(t, based{g})
		r.until(t, "a/v/x.ini=1 b/v/x.ini=1")
		for _, at := range []string{"a/v", "a", "."} {
			at = filepath.Join(dir, at)
			tmpfs(at)
			r.logs(t, "directory="+at+" "+covered)
			r.quiet(t)
			umount(t, at)
		}
		write(t, filepath.Join(dir, "a", "v", "x.ini"), "2")
		r.until(t, "a/v/x.ini=2 b/v/x.ini=1")
	})
}

// Without /proc the reason is not sought in the file.
func TestWithoutProc(t *testing.T) {
	if !inMounts(t) {
		return
	}
	d, dir := newDir(t, 0)
	write(t, filepath.Join(dir, "a.ini"), "1")
	if err := unix.Mount("tmpfs", "/proc", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	r := run(t, d)
	r.until(t, "a.ini=(cannot be read: /proc is not mounted here)")
}

// Files that the kernel makes up are refused before they are read: some of them block.
func TestFilesOfTheKernel(t *testing.T) {
	d, dir := newDir(t, 0)
	link(t, "/proc/self/status", filepath.Join(dir, "a.ini"))
	want := "a.ini=(is a file of procfs, in which there are no configurations)"
	if _, err := os.Stat("/sys/kernel/uevent_seqnum"); err == nil {
		link(t, "/sys/kernel/uevent_seqnum", filepath.Join(dir, "b.ini"))
		want += " b.ini=(is a file of sysfs, in which there are no configurations)"
	}
	r := run(t, d)
	r.until(t, want)
	if _, err := Read(filepath.Join(dir, "a.ini")); err == nil || !strings.HasPrefix(err.Error(), "is a file of procfs") {
		t.Errorf("Read: %v", err)
	}
}

// A program that takes its time for its output holds up no other file, and ends with the
// monitor.
func TestSlowProgramHoldsUpNoOther(t *testing.T) {
	d, dir := newDir(t, 0)
	d.options.MagicExec = true
	slow, pid := filepath.Join(dir, "slow.ini"), filepath.Join(t.TempDir(), "pid")
	write(t, slow, "#!/bin/sh\ntest -e "+pid+" || sleep 0.6\necho $$ >"+pid+"; test ! -e "+pid+".stay || exec sleep 100; echo printed")
	if err := os.Chmod(slow, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.ini"), "1")
	t.Cleanup(func() { // behind the end of the monitor
		stay, err := os.ReadFile(pid)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat("/proc/" + strings.TrimSpace(string(stay))); err == nil {
			t.Errorf("process %s outlives the monitor", stay)
		}
	})
	r := run(t, d)
	r.until(t, "a.ini=1 slow.ini=(is still being read)")
	r.until(t, "a.ini=1 slow.ini=printed\n")
	remove(t, pid)
	write(t, pid+".stay", "")
	chtimes(t, slow, time.Now().Add(time.Second))
	begun := time.Now()
	write(t, filepath.Join(dir, "a.ini"), "2")
	r.until(t, "a.ini=2 slow.ini=printed\n")
	soon(t, begun)
	for known, _ := os.ReadFile(pid); len(known) == 0; known, _ = os.ReadFile(pid) {
		time.Sleep(time.Millisecond)
	}
}
