//go:build linux

package integration

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// bareTools are the programs of a machine with a shell and no special tools.
var bareTools = []string{"sh", "cat", "chmod", "cp", "dirname", "id", "ln", "mkdir", "mkfifo", "mktemp", "readlink", "rm", "uname"}

// quickstart is a run of the first command of the README.
type quickstart struct {
	cmd      *exec.Cmd
	terminal string // a file
	ended    chan error
}

var curlLine = regexp.MustCompile(`curl (http://[0-9.]+:8080/)`)

func (q *quickstart) said() string {
	text, _ := os.ReadFile(q.terminal)
	return string(text)
}

// TestQuickstart runs the README's first command as a newcomer does, in a clone that only root
// can enter, on a machine with Go and a shell; twice at the same time and once more, and
// changes the greeting as in its README.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clone(t, "..", w.path("clone"))
	tools(t, w.path("tools"))
	if err := os.Mkdir(w.path("tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	first, second := w.quickstart("first"), w.quickstart("second")
	if a, b := w.pageOf(t, first), w.pageOf(t, second); a == b {
		t.Errorf("both say %s", a)
	}
	// Ctrl-C goes to all processes on the terminal, TERM to one process.
	w.ends(t, first, -first.cmd.Process.Pid, syscall.SIGINT)
	w.ends(t, second, second.cmd.Process.Pid, syscall.SIGTERM)
	again := w.quickstart("again")
	w.pageOf(t, again)
	w.run("sed -i 's/Hello from inside/Hello again/' " + w.path("clone/examples/quickstart/vassals/hello.ini"))
	page := "curl -sS --max-time 10 " + curlLine.FindStringSubmatch(again.said())[1] + " || true"
	eventually(t, "the greeting that was changed", func() bool { return strings.Contains(w.run(page), "Hello again") })
	w.ends(t, again, -again.cmd.Process.Pid, syscall.SIGINT)
	if left := files(w.path("tmp")); len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
}

// With a go command that is too old for the module, the error names the required version.
func TestBuildNamesTheGoThatItNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(w.path("go"), `[ "$1" != version ] || { echo go version go1.19.8 linux/amd64; exit; }; echo "go: errors parsing go.mod" >&2; exit 1`)
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	needed := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(string(mod))[1]
	for _, script := range []string{"build.sh", ".ci/test", "examples/quickstart/run.sh"} {
		cmd := exec.Command("sh", filepath.Join("..", script))
		cmd.Env = append(os.Environ(), "PATH="+w.base+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		want := "Go " + needed + " or later is needed, and here is: go version go1.19.8"
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
	}
}

func (w *world) quickstart(name string) *quickstart {
	w.t.Helper()
	q := &quickstart{cmd: w.inside("sh", w.path("clone/examples/quickstart/run.sh")), terminal: w.path(name), ended: make(chan error, 1)}
	out, err := os.Create(q.terminal)
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Close()
	q.cmd.Stdout, q.cmd.Stderr = out, out
	q.cmd.Env = append(q.cmd.Env, "PATH="+w.path("tools"), "TMPDIR="+w.path("tmp"))
	q.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := q.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() { q.ended <- q.cmd.Wait() }()
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("the terminal of the %s:\n%s", name, q.said())
		}
	})
	return q
}

// pageOf waits for the vassal, runs the command that the terminal shows, and returns the
// network namespace that the page was written in.
func (w *world) pageOf(t *testing.T, q *quickstart) string {
	t.Helper()
	within(t, 4*patience, "the line with curl", func() bool { // it is built first
		if len(q.ended) > 0 {
			t.Fatalf("it ended: %v", <-q.ended)
		}
		return curlLine.MatchString(q.said())
	})
	page := w.run("curl -sS --max-time 10 " + curlLine.FindStringSubmatch(q.said())[1])
	netns := regexp.MustCompile(`network namespace +(net:\[\d+\])`).FindStringSubmatch(page)
	if netns == nil || !strings.Contains(page, "Hello from inside") || !regexp.MustCompile(`host name +hello\n`).MatchString(page) {
		t.Fatalf("the page is\n%s", page)
	}
	if host := w.run("readlink /proc/self/ns/net"); host == netns[1] {
		t.Errorf("the page is from the host's network, %s", host)
	}
	if !strings.Contains(q.said(), netns[1]) {
		t.Errorf("the terminal does not name %s", netns[1])
	}
	return netns[1]
}

func (w *world) ends(t *testing.T, q *quickstart, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
	if err := <-q.ended; err != nil {
		t.Errorf("after %v: %v", s, err)
	}
}

// tools makes a directory with those programs alone.
func tools(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range append([]string{"go"}, bareTools...) {
		path, err := exec.LookPath(name)
		if err == nil {
			err = os.Symlink(path, filepath.Join(dir, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// clone copies the files of a clone that a build needs into a directory that only root may
// enter.
func clone(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch name {
		case ".git", ".ci", "bin", "docs", "integration":
			if !entry.IsDir() { // of a worktree
				return nil
			}
			return fs.SkipDir
		}
		if entry.IsDir() {
			return os.Mkdir(filepath.Join(to, name), 0o700)
		}
		text, err := os.ReadFile(path)
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
