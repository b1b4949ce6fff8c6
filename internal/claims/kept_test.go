package claims

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/reads"
)

// A file of claims that is removed is made again, with all that is in it.
func TestClaimsAreKept(t *testing.T) {
	file, dir := filepath.Join(t.TempDir(), "claims"), t.TempDir()
	r, log := registry(t, file)
	h := r.NewHolder()
	if err := claimBy(h, []string{"entry", dir, "a.ini"}); err != nil {
		t.Fatal(err)
	}
	if !r.Whole() {
		t.Error("the new file is not whole")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if r.Whole() {
		t.Error("a removed file is whole")
	}
	if err := r.Restore(); err != nil || !r.Whole() || log.Len() > 0 {
		t.Error(err, log)
	}
	if _, says := other(t.Context(), t, file, "entry", dir, "a.ini"); !strings.Contains(says, "another emperor does") {
		t.Error(says)
	}
}

// Another emperor may make the removed file again, and claim the same files: this one reports that,
// and claims them when that one has ended.
func TestClaimsThatAnotherHasMeanwhile(t *testing.T) {
	file, dir := filepath.Join(t.TempDir(), "claims"), t.TempDir()
	r, _ := registry(t, file)
	h := r.NewHolder()
	for _, name := range []string{"a.ini", "b.ini"} {
		if err := claimBy(h, []string{"entry", dir, name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	second, says := other(t.Context(), t, file, "entry", dir, "a.ini")
	if says != "claimed" || r.Whole() {
		t.Fatalf("%s; the file is whole: %v", says, r.Whole())
	}
	want := fmt.Sprintf("a file of this emperor: another emperor runs it (pid %d)", second.Process.Pid)
	if err := r.Restore(); err == nil || err.Error() != want || r.Whole() {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, says := other(t.Context(), t, file, "entry", dir, "b.ini"); !strings.Contains(says, "another emperor does") {
		t.Error(says)
	}
	_ = second.Process.Kill()
	_ = second.Wait()
	if err := r.Restore(); err != nil || !r.Whole() {
		t.Error(err)
	}
	if _, says := other(t.Context(), t, file, "entry", dir, "a.ini"); !strings.Contains(says, "another emperor does") {
		t.Error(says)
	}
}

// No two names of a large directory are one claim, and each is dropped by itself.
func TestClaimsOfManyNames(t *testing.T) {
	names := map[span]string{}
	for i := range 400000 {
		name := strconv.Itoa(i) + ".ini"
		s := entry(Dir{1, 2}, name)
		if before := names[s]; before != "" {
			t.Fatalf("%s and %s are one claim", before, name)
		}
		names[s] = name
	}
}

// The end of the claim on a directory does not touch the claims in it, not even for a moment.
func TestClaimsInsideAnother(t *testing.T) {
	file, dir := filepath.Join(t.TempDir(), "claims"), t.TempDir()
	r, _ := registry(t, file)
	one, all := r.NewHolder(), r.NewHolder()
	if err := errors.Join(claimBy(one, []string{"entry", dir, "a.ini"}), claimBy(all, []string{"dir", dir})); err != nil {
		t.Fatal(err)
	}
	lock := func() string {
		info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", r.file.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		d, err := DirOf(f)
		if err != nil {
			t.Fatal(err)
		}
		at := entry(d, "a.ini").at
		for line := range strings.Lines(string(info)) {
			if strings.HasSuffix(line, fmt.Sprintf(" %d %d\n", at, at)) {
				return line
			}
		}
		return ""
	}
	if lock() == "" {
		t.Error("a claim inside another has no lock of its own")
	}
	if err := claimBy(all, []string{"dir", t.TempDir()}); err != nil { // in place of the other
		t.Fatal(err)
	}
	if lock() == "" {
		t.Error("its lock is gone")
	}
	if _, says := other(t.Context(), t, file, "dir", dir); !strings.Contains(says, "another emperor does") {
		t.Error(says)
	}
}

// A file system that opens a directory and does not answer flock(2) holds up no start.
func TestSignThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, log := registry(t, filepath.Join(t.TempDir(), "claims"))
		release := make(chan struct{})
		pool := reads.New()
		bound := func(path string, call func() error) error {
			return pool.Do(t.Context(), path, func(reads.At) error { return call() })
		}
		r.flock = func(*os.File, int) error { <-release; return nil }
		began := time.Now()
		dir, err := os.Open(t.TempDir())
		if err == nil {
			err = r.NewHolder().Directory(dir, bound)
		}
		if err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != reads.Limit || !strings.Contains(log.String(), "cannot lock the directory yet") {
			t.Errorf("after %v: %s", took, log)
		}
		close(release)
	})
}

// The name of a file in /proc/locks is the kernel's, also where stat(2) has other numbers.
func TestLockName(t *testing.T) {
	dirs := map[string]string{"plain": t.TempDir(), "tmpfs": "/dev/shm", "root": "/"}
	for name, dir := range dirs {
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := flock(f, unix.LOCK_SH); err != nil {
			t.Fatal(err)
		}
		info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", f.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		if words := field(info, "lock:"); len(words) < 6 || words[5] != lockName(f) {
			t.Errorf("%s: got %q, want the one in %v", name, lockName(f), words)
		}
	}
}
