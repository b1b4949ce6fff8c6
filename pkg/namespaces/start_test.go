package namespaces

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// asSpared sets the oom_score_adj of the children of the test, as if Spare had changed its
// own.
func asSpared(t *testing.T, score string) {
	t.Helper()
	was := ordinary.Load()
	ordinary.Store(&score)
	t.Cleanup(func() { ordinary.Store(was) })
}

func scoreText(pid int) string {
	text, _ := os.ReadFile(scoreOf(strconv.Itoa(pid)))
	return strings.TrimSpace(string(text))
}

func TestChildrenAreNotSpared(t *testing.T) {
	asSpared(t, "321")
	p := sleeper(t, newSpawner(t))
	if got := scoreText(p.PID); got != "321" {
		t.Errorf("of a Spawner: %s", got)
	}
	cmd := exec.Command("sleep", "1000")
	q, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if got := scoreText(q.PID); got != "321" {
		t.Errorf("of Start: %s", got)
	}
	if got := scoreText(os.Getpid()); got == "321" {
		t.Error("this process got it")
	}
	if err := q.Signal(unix.SIGTERM); err != nil {
		t.Error(err)
	}
	if status, err := q.Died(); err != nil || status.Signal != unix.SIGTERM {
		t.Errorf("%v, %v", status, err)
	}
	if state := stateOf(q.PID); state != "Z" {
		t.Errorf("it is %q and not left to be reaped", state)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.String() != "signal: terminated" {
		t.Errorf("%v, %v", err, cmd.ProcessState)
	}
}

// Where this process may lower its own value, its program, the program's children and orphans
// still have the ordinary value, and a tenant's program cannot change that.
func TestSpare(t *testing.T) {
	const role = "SPARE_TEST"
	if os.Getenv(role) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), role+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if strings.Contains(string(out), "--- SKIP") {
			t.Skip("needs CAP_SYS_RESOURCE")
		}
		return
	}
	was := scoreText(os.Getpid())
	ok, err := Spare()
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Skip("it may not be lowered")
	}
	if got := scoreText(os.Getpid()); got != "-900" {
		t.Errorf("it is %s", got)
	}
	if again, err := Spare(); !again || err != nil {
		t.Errorf("a second time: %v, %v", again, err)
	}
	cmd := exec.Command("sh", "-c", `(sh -c "cat /proc/self/oom_score_adj"; (setsid cat /proc/self/oom_score_adj &)); echo -900 >/proc/self/oom_score_adj || echo refused`)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := Run(cmd); err != nil {
		t.Error(err)
	}
	if got := strings.Fields(out.String()); len(got) != 3 || strings.Count(out.String(), was+"\n") != 2 || !strings.Contains(out.String(), "refused") {
		t.Errorf("a program says %q, want %s twice and refused", got, was)
	}
}

// A program that is cancelled is killed and waited for.
func TestRunIsCancelled(t *testing.T) {
	before := descriptors(t)
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "sleep", "1000")
	done := make(chan error)
	go func() { done <- Run(cmd) }()
	cancel()
	if err := <-done; err == nil {
		t.Error("no error")
	}
	if err := Run(exec.Command("/nonexistent")); err == nil {
		t.Error("no error of a program that is not there")
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
