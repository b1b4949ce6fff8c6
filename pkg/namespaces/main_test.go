package namespaces

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/emperor-go/emperor/internal/testspace"
)

// roleEnv makes the test binary run a role, as the child of a test. isolatedEnv names the test
// that runs in new namespaces.
const (
	roleEnv     = "NAMESPACES_TEST_ROLE"
	isolatedEnv = "NAMESPACES_TEST_ISOLATED"
	// quickEnv removes the second that a binary built with -race sleeps at its end.
	quickEnv = "GORACE=atexit_sleep_ms=0"
)

// patience is how long an immediate effect may take.
const patience = 20 * time.Second

// The main thread lives as long as the process: goroutines whose threads are to end with them
// must not run on it.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		os.Exit(play(role))
	}
	if err := CloseOnExecFrom(3); err != nil { // descriptors that the shell left open
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// play runs a role. It prints the role's result as JSON to stdout, and then waits until stdin
// is closed.
func play(role string) int {
	roles := map[string]func() (any, error){
		"advertise":    advertise,
		"describe":     describe,
		"interfaces":   interfaces,
		"wait links":   waitLinks,
		"drop":         drop,
		"filtered":     filtered,
		"confined":     confined,
		"mounts":       mounts,
		"kernel views": kernelViews,
		"wrong proc":   wrongProc,
		"masked proc":  maskedProc,
	}
	result, err := roles[role]()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// untilTold reports to the test that the role has come this far, and waits for its answer.
func untilTold() error {
	if _, err := fmt.Fprintln(os.Stdout); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes namespaces")
	}
}

// isolated runs the calling test again in new namespaces, where it returns true. Here it
// returns false, and fails the test when that run failed.
func isolated(t *testing.T, a *syscall.SysProcAttr) bool {
	t.Helper()
	if testspace.Here(t) {
		return true
	}
	needRoot(t)
	limit := 3 * patience
	if os.Getenv("EMPEROR_SOAK") != "" {
		limit = time.Hour
	}
	testspace.Run(t, limit, a, quickEnv)
	return false
}

func inNewNet() *syscall.SysProcAttr { return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET} }

func newSpawner(t *testing.T) *Spawner {
	t.Helper()
	s := NewSpawner()
	t.Cleanup(s.Close)
	return s
}

// actor is a role, or another program, started by a Spawner.
type actor struct {
	*Process
	t      *testing.T
	stdin  *os.File
	stdout *os.File
	stderr string
}

// act starts the test binary in a role. Args and Path of c may name another program. Files of
// c follow stdio.
func act(t *testing.T, s *Spawner, role string, c Command) *actor {
	t.Helper()
	a, err := tryAct(t, s, role, c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func tryAct(t *testing.T, s *Spawner, role string, c Command) (*actor, error) {
	t.Helper()
	if c.Path == "" {
		c.Path, c.Args = "/proc/self/exe", []string{"role"}
	}
	if c.Dir == "" {
		c.Dir = "/"
	}
	c.Env = append(c.Env, roleEnv+"="+role, quickEnv)
	a := &actor{t: t, stderr: filepath.Join(t.TempDir(), "stderr")}
	in, stdin := pipe(t)
	stdout, out := pipe(t)
	a.stdin, a.stdout = stdin, stdout
	stderr, err := os.Create(a.stderr)
	if err != nil {
		t.Fatal(err)
	}
	c.Files = append([]*os.File{in, out, stderr}, c.Files...)
	a.Process, err = s.Start(c)
	for _, f := range c.Files[:3] {
		f.Close()
	}
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		_ = a.Signal(syscall.SIGKILL)
		_, _ = a.Wait() // an error when the test has reaped it
		a.Close()
	})
	return a, nil
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// comeThisFar waits until the role is in untilTold.
func (a *actor) comeThisFar() {
	a.t.Helper()
	_ = a.stdout.SetReadDeadline(time.Now().Add(patience))
	if _, err := a.stdout.Read(make([]byte, 1)); err != nil {
		a.t.Fatalf("the child did not come this far: %v\n%s", err, a.complaint())
	}
}

// finish lets the role continue, waits for its end and decodes its result.
func (a *actor) finish(result any) {
	a.t.Helper()
	a.stdin.Close()
	_ = a.stdout.SetReadDeadline(time.Now().Add(patience))
	out, err := io.ReadAll(a.stdout)
	if err != nil {
		a.t.Fatal(err)
	}
	status, err := a.Wait()
	if err != nil || status != (ExitStatus{}) {
		a.t.Fatalf("the child ended with %v, %v\n%s", status, err, a.complaint())
	}
	if err := json.Unmarshal(out, result); err != nil {
		a.t.Fatalf("the child said %q: %v", out, err)
	}
}

func (a *actor) complaint() string {
	text, _ := os.ReadFile(a.stderr)
	return string(text)
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// descriptors counts the open descriptors of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// stateOf returns the state letter of proc_pid_stat(5), or an empty string without such a
// process.
func stateOf(pid int) string {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	_, rest, _ := strings.Cut(string(text), ") ")
	state, _, _ := strings.Cut(rest, " ")
	return state
}
