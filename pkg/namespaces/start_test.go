package namespaces

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// asSpared sets the oom_score_adj of the children of the test, as if Spare had changed its
// own.
func asSpared(t *testing.T, ordinary string) {
	t.Helper()
	file, err := os.OpenFile(scoreOf("self"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	sparing.Store(&score{file: file, own: scoreText(os.Getpid()), ordinary: ordinary})
	t.Cleanup(func() {
		sparing.Store(nil)
		file.Close()
	})
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
// still have the ordinary value, however fast they are. A tenant's program cannot change that,
// unless this process has dropped its privileges since.
func TestSpare(t *testing.T) {
	const role = "SPARE_TEST"
	if os.Getenv(role) == "" {
		for _, kind := range []string{"privileged", "dropped"} {
			cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
			cmd.Env = append(os.Environ(), role+"="+kind)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s: %v\n%s", kind, err, out)
			}
			if strings.Contains(string(out), "--- SKIP") {
				t.Skip("needs CAP_SYS_RESOURCE")
			}
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
	if again, err := Spare(); !again || err != nil {
		t.Errorf("a second time: %v, %v", again, err)
	}
	cmd := exec.Command("sh", "-c", `for i in 1 2 3 4; do (setsid cat /proc/self/oom_score_adj & exit); done; cat /proc/self/oom_score_adj; echo -900 >/proc/self/oom_score_adj || echo refused`)
	want := []string{was, was, was, was, was}
	if os.Getenv(role) == "dropped" {
		if err := (Credentials{UID: 65534, GID: 65534}).Apply(); err != nil {
			t.Fatal(err)
		}
	} else {
		want = append(want, "refused")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	p := sleeper(t, newSpawner(t))
	if got := scoreText(p.PID); got != was {
		t.Errorf("of a Spawner: %s", got)
	}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := Run(cmd); err != nil {
		t.Error(err)
	}
	if got := slices.Sorted(strings.FieldsSeq(out.String())); !slices.Equal(got, want) {
		t.Errorf("a program says %q, want %q", got, want)
	}
	if got := scoreText(os.Getpid()); got != "-900" {
		t.Errorf("it is %s in the end", got)
	}
}

// Many processes that start at the same time all have the ordinary value, and this one has its
// own again.
func TestManyStartsAreNotSpared(t *testing.T) {
	asSpared(t, "321")
	before := scoreText(os.Getpid())
	var group sync.WaitGroup
	for range 30 {
		group.Go(func() {
			out := &bytes.Buffer{}
			cmd := exec.Command("cat", "/proc/self/oom_score_adj")
			cmd.Stdout = out
			if err := Run(cmd); err != nil || out.String() != "321\n" {
				t.Errorf("%q, %v", out, err)
			}
		})
	}
	group.Wait()
	if got := scoreText(os.Getpid()); got != before {
		t.Errorf("this process has %s, want %s", got, before)
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
