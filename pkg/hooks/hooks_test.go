package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/emperor-go/emperor/internal/termlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(t *testing.T, p Phase, lines ...string) []Hook {
	t.Helper()
	var list []Hook
	for _, line := range lines {
		h, err := Parse(Spec{Phase: p, Kind: Exec, Text: line})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, h)
	}
	return list
}

// runner returns a runner and its log.
func runner(timeout time.Duration) (Runner, *bytes.Buffer) {
	var b bytes.Buffer
	log := slog.New(termlog.New(&b, termlog.Options{Level: slog.LevelDebug}))
	return Runner{Environment: Environment{Vars: []string{"PATH=" + os.Getenv("PATH"), "WHO=me"}}, Timeout: timeout, Log: log}, &b
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		spec Spec
		want string
	}{
		{Spec{Phase: "as-king", Kind: Exec, Text: "x"}, `unknown phase "as-king"`},
		{Spec{Phase: AsRoot, Kind: "sing", Text: "x"}, `unknown kind of hook "sing"`},
		{Spec{Phase: AsRoot, Kind: Exec, Text: " \t"}, "exec-as-root needs a command"},
		{Spec{Phase: AsRoot, Kind: Exec, Text: "a\x00b"}, "exec-as-root holds a NUL byte"},
	}
	for _, tt := range tests {
		if _, err := Parse(tt.spec); err == nil || err.Error() != tt.want {
			t.Errorf("Parse(%+v): %v, want %q", tt.spec, err, tt.want)
		}
	}
}

func TestFailureRuleOfEveryPhase(t *testing.T) {
	for _, info := range Phases() {
		t.Run(string(info.Phase), func(t *testing.T) {
			ran := filepath.Join(t.TempDir(), "ran")
			r, log := runner(0)
			r.Join = func(ctx context.Context, h Hook, e Environment, output func(string)) error { // this process is in them already
				return h.action(ctx, &scene{Environment: e, phase: h.spec.Phase, output: output})
			}
			err := r.Run(t.Context(), info.Phase, failing(t, info, ran))
			_, statErr := os.Stat(ran)
			if told := strings.Contains(log.String(), "exit status 3"); told == info.Fatal { // the caller reports a returned error
				t.Errorf("the log has the exit status: %v:\n%s", told, log)
			}
			if !info.Fatal {
				if err != nil || statErr != nil {
					t.Errorf("a failure must not matter: error %v, second hook: %v", err, statErr)
				}
				return
			}
			want := fmt.Sprintf("hook %s #1 (hook: exec:exit 3): exit status 3", info.Phase)
			if err == nil || err.Error() != want {
				t.Errorf("error %v, want %q", err, want)
			}
			if statErr == nil {
				t.Error("the second hook ran after a fatal failure")
			}
		})
	}
}

// failing returns a hook that exits with 3 and a hook that makes a file.
func failing(t *testing.T, info PhaseInfo, file string) (list []Hook) {
	t.Helper()
	kind, texts := info.Kinds[0], []string{"exec:exit 3", "exec:touch " + file}
	if info.Subject != "" {
		texts = []string{"uts " + texts[0], "uts " + texts[1]}
	}
	if kind == Program {
		texts = []string{script(t, "exit 3"), script(t, "touch "+file)}
	}
	for _, text := range texts {
		h, err := Parse(Spec{Phase: info.Phase, Kind: kind, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, h)
	}
	return list
}

func script(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestOutputIsLoggedWithPhaseAndIndex(t *testing.T) {
	r, log := runner(0)
	if err := r.Run(t.Context(), AsRoot, parse(t, AsRoot, "true", `echo "$WHO one"; echo two >&2; printf three`)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"me one hook=as-root index=2\n", "two hook=as-root index=2\n", "three hook=as-root index=2\n"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}

func TestEnvironmentIsExactlyTheOneGiven(t *testing.T) {
	t.Setenv("SECRET", "of the emperor")
	r, log := runner(0)
	r.Vars = nil
	if err := r.Run(t.Context(), AsRoot, parse(t, AsRoot, `echo "<$SECRET>"`)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "INFO  <> ") {
		t.Errorf("a hook without an environment sees ours:\n%s", log)
	}
}

func TestTimeoutKillsTheWholeGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	r, log := runner(200 * time.Millisecond)
	err := r.Run(t.Context(), AsRoot, parse(t, AsRoot, "sleep 60 & echo $! >"+file+"; wait"))
	if !errors.Is(err, ErrTimeout) || !strings.HasSuffix(err.Error(), "timed out after 200ms") {
		t.Errorf("error %v, want a time-out", err)
	}
	if log.Len() > 0 {
		t.Errorf("the log repeats what is returned:\n%s", log)
	}
	waitGone(t, readPID(t, file))
}

func TestCancelledContextKillsTheHookInAnyPhase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if b, err := os.ReadFile(file); err == nil && bytes.HasSuffix(b, []byte("\n")) {
				cancel()
			}
		}
	}()
	r, _ := runner(0)
	err := r.Run(ctx, AsEmperor, parse(t, AsEmperor, "echo $$ >"+file+"; sleep 60"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	waitGone(t, readPID(t, file))
}

// A stop lets the hook that runs end by itself, and no other one begin, in any phase.
func TestStopLetsTheHookEnd(t *testing.T) {
	for _, phase := range []Phase{AsRoot, AsEmperorAfterVassal} {
		dir := t.TempDir()
		stop, begun := make(chan struct{}), filepath.Join(dir, "begun")
		go func() {
			for t.Context().Err() == nil {
				if isThere(begun) {
					break
				}
			}
			close(stop)
			_ = os.WriteFile(filepath.Join(dir, "stopped"), nil, 0o600)
		}()
		r, log := runner(0)
		r.Stop, r.Dir = stop, dir
		err := r.Run(t.Context(), phase, parse(t, phase, "touch begun; until test -e stopped; do :; done; echo done >end; exit 3", "touch next"))
		if info, _ := phase.Info(); !info.Fatal && !errors.Is(err, ErrStopped) || err == nil {
			t.Errorf("%s: error %v, want %v", phase, err, ErrStopped)
		}
		if !isThere(filepath.Join(dir, "end")) || isThere(filepath.Join(dir, "next")) {
			t.Errorf("%s: the hook that runs has not ended by itself, or another one began", phase)
		}
		if !strings.Contains(log.String(), "exit status 3") {
			t.Errorf("%s: the failure of the hook is lost:\n%s", phase, log)
		}
	}
}

func TestDaemonisingHookDoesNotHoldUpTheNext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	r, log := runner(30 * time.Second)
	err := r.Run(t.Context(), AsRoot, parse(t, AsRoot, "echo before; setsid sleep 60 & echo $! >"+file, "echo after"))
	pid := readPID(t, file)
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	if err != nil {
		t.Fatal(err)
	}
	if syscall.Kill(pid, 0) != nil {
		t.Error("the daemon was killed although its hook succeeded")
	}
	if !strings.Contains(log.String(), "before") || !strings.Contains(log.String(), "after") {
		t.Errorf("output is missing:\n%s", log)
	}
}

func TestFloodIsCutAndDoesNotBlock(t *testing.T) {
	r, log := runner(30 * time.Second)
	if err := r.Run(t.Context(), AsRoot, parse(t, AsRoot, "head -c 8000000 /dev/zero | tr '\\0' x")); err != nil {
		t.Fatal(err)
	}
	if n := log.Len(); n > 2*maxOutput {
		t.Errorf("%d bytes were logged", n)
	}
	if !strings.Contains(log.String(), "more bytes of output are not logged") {
		t.Error("the log does not say that it is cut")
	}
}

func readPID(t *testing.T, file string) int {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// waitGone waits until no process with that pid runs; a zombie counts as gone.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("process %d still runs", pid)
}
