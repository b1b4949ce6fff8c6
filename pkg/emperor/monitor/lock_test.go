package monitor

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/claims"
	"github.com/emperor-go/emperor/internal/reads"
)

// lockable is a monitor that claims its files.
type lockable interface {
	Monitor
	Lock() error
}

// claimed is a registry of its own file.
func claimed(t *testing.T, file string) *claims.Registry {
	t.Helper()
	r := claims.Open([]string{file}, os.Geteuid(), discard)
	t.Cleanup(r.Close)
	return r
}

// governing returns a new monitor of a directory, or of a pattern.
func governing(t *testing.T, what string, r *claims.Registry) lockable {
	t.Helper()
	var m lockable
	var err error
	if strings.Contains(what, "*") || strings.HasSuffix(what, ".ini") {
		m, err = NewGlob(what, DirOptions{Claims: r, Reads: reads.New(), Log: discard})
	} else {
		m, err = NewDir(what, DirOptions{Claims: r, Reads: reads.New(), Log: discard})
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestHelperGoverns is the other emperor of other.
func TestHelperGoverns(t *testing.T) {
	words := strings.Fields(os.Getenv("MONITOR_TEST_GOVERNS"))
	if len(words) == 0 {
		t.Skip("it is only run by other tests")
	}
	m := governing(t, words[1], claimed(t, words[0]))
	if err := m.Lock(); err != nil {
		os.Stdout.WriteString("refused: " + err.Error() + "\n")
		return
	}
	go func() {
		_ = m.Run(t.Context(), func(Set) { os.Stdout.WriteString("governs\n") })
	}()
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test ends it
}

// other lets another process monitor a place until the context ends, and returns the process and
// its first output.
func other(ctx context.Context, t *testing.T, file, what string) (process *exec.Cmd, says string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestHelperGoverns$")
	cmd.Env = append(os.Environ(), "MONITOR_TEST_GOVERNS="+file+" "+what)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	text := make([]byte, 1000)
	n, _ := out.Read(text)
	return cmd, string(text[:n])
}

// Two emperors with one pattern would start every vassal twice, as would a pattern and its
// directory. Other patterns in that directory may belong to another emperor.
func TestLock(t *testing.T) {
	base := t.TempDir()
	file, dir, link := filepath.Join(base, "claims"), mkdir(t, filepath.Join(base, "v")), filepath.Join(base, "link")
	if err := os.Symlink("v", link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		first, second string
		refused       bool
	}{
		{dir, dir, true},
		{dir, link + "/.", true},
		{dir + "/*.ini", dir + "/*.ini", true},
		{dir + "/*.ini", dir + "/./*.ini", true},
		{dir + "/*.ini", base + "/none/../v/*.ini", true},
		{dir + "/*.ini", link + "/*.ini", true},
		{dir + "/*/v.ini", link + "/*/v.ini", true},
		{dir + "/*.ini", dir, true},
		{dir, link + "/*.ini", true},
		{dir, dir + "/a.ini", true},
		{dir + "/a.ini", link + "/a.ini", true},
		{dir + "/a.ini", dir, true},
		{dir + "/a.ini", dir + "/b.ini", false},
		{dir + "/a*.ini", dir + "/b*.ini", false},
		{dir + "/*/v.ini", dir, false},
		{dir + "/none/*.ini", dir + "/none/*.ini", true},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		r := claimed(t, file)
		if err := governing(t, tt.first, r).Lock(); err != nil {
			t.Fatal(err)
		}
		second, says := other(ctx, t, file, tt.second)
		want := "governs"
		if tt.refused {
			want = "refused: cannot govern "
		}
		if !strings.HasPrefix(says, want) || tt.refused && !strings.Contains(says, "another emperor does (pid "+strconv.Itoa(os.Getpid())+")") {
			t.Errorf("%s, then %s: %s", tt.first, tt.second, says)
		}
		if err := governing(t, tt.first, r).Lock(); err != nil {
			t.Errorf("twice in one process: %v", err)
		}
		cancel()
		_ = second.Wait()
		r.Close()
	}
}

// Patterns of several emperors may overlap. Each file has one emperor, and another one when the
// first is gone. Other files are not affected.
func TestOverlappingPatterns(t *testing.T) {
	base := t.TempDir()
	file, dir := filepath.Join(base, "claims"), mkdir(t, filepath.Join(base, "v"))
	if err := os.Symlink("v", filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.ini"), "1")
	ctx, kill := context.WithCancel(t.Context())
	first, says := other(ctx, t, file, dir+"/*.ini")
	if says != "governs\n" {
		t.Fatal(says)
	}
	t.Chdir(base)
	write(t, filepath.Join(base, "z.ini"), "1")
	r := claimed(t, file)
	g := governing(t, "l*/*.in[i]", r)
	if err := g.Lock(); err != nil {
		t.Fatal(err)
	}
	loop := run(t, g)
	held := "=(another emperor runs it (pid " + strconv.Itoa(first.Process.Pid) + "))"
	loop.until(t, "link/a.ini"+held)
	kill()
	loop.until(t, "link/a.ini=1")
	write(t, filepath.Join(dir, "b.ini"), "1")
	loop.until(t, "link/a.ini=1 link/b.ini=1")
	if _, says := other(t.Context(), t, file, dir+"/b.ini"); !strings.HasPrefix(says, "refused: ") {
		t.Errorf("a file that is taken over is not claimed: %s", says)
	}
	if err := os.Remove(filepath.Join(dir, "b.ini")); err != nil {
		t.Fatal(err)
	}
	loop.until(t, "link/a.ini=1")
	if _, says := other(t.Context(), t, file, dir+"/b.ini"); !strings.HasPrefix(says, "governs") {
		t.Errorf("a file that is gone is still claimed: %s", says)
	}
}

// A new directory at the path of an old one is claimed in its place.
func TestLockOfADirectoryMadeAnew(t *testing.T) {
	base := t.TempDir()
	file, dir, old := filepath.Join(base, "claims"), mkdir(t, filepath.Join(base, "v")), filepath.Join(base, "old")
	write(t, filepath.Join(dir, "a.ini"), "1")
	r := claimed(t, file)
	d := governing(t, dir, r)
	if err := d.Lock(); err != nil {
		t.Fatal(err)
	}
	loop := run(t, d)
	loop.until(t, "a.ini=1")
	if err := os.Rename(dir, old); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	write(t, filepath.Join(mkdir(t, dir), "a.ini"), "2")
	loop.until(t, "a.ini=2")
	soon(t, began) // the claim does not wait for the rescan that it belongs to
	if _, says := other(t.Context(), t, file, dir); !strings.Contains(says, "another emperor does") {
		t.Errorf("the new one is not claimed: %s", says)
	}
	if _, says := other(t.Context(), t, file, old+"/*.ini"); !strings.HasPrefix(says, "governs") {
		t.Errorf("the old one is still claimed: %s", says)
	}
}

// A process that is being killed is waited for.
func TestLockAfterAKill(t *testing.T) {
	base := t.TempDir()
	file, dir := filepath.Join(base, "claims"), mkdir(t, filepath.Join(base, "v"))
	for range 5 {
		ctx, kill := context.WithCancel(t.Context())
		if _, says := other(ctx, t, file, dir); says != "governs\n" {
			t.Fatal(says)
		}
		kill()
		r := claimed(t, file)
		for end := time.Now().Add(5 * time.Second); ; { // the kill is sent beside this
			err := governing(t, dir, r).Lock()
			if err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal(err)
			}
		}
		r.Close()
	}
}
