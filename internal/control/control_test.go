package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/launchertest"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// launcher launches vassals that follow their configuration: crash, refuse a reload, never
// answer one, or work. Their pid is this process's.
type launcher struct{ hub *output.Hub }

func (l launcher) Launch(_ context.Context, r emperor.Request) (emperor.Process, error) {
	return &process{hub: l.hub, name: r.Name, does: string(r.Data), dead: make(chan emperor.Exit, 1), says: make(chan emperor.Message, 4)}, nil
}

type process struct {
	hub        *output.Hub
	name, does string
	dead       chan emperor.Exit
	says       chan emperor.Message
}

func (p *process) PID() int { return os.Getpid() }

func (p *process) Watch(report func(emperor.Message), over func(emperor.Exit)) { over(p.wait(report)) }

func (p *process) wait(report func(emperor.Message)) emperor.Exit {
	s := p.hub.Open(output.Vassal{Name: p.name, Log: slog.New(slog.DiscardHandler)})
	defer s.Close()
	s.Line("<4>I " + p.does)
	if strings.Contains(p.does, "crash") {
		return emperor.Exit{ExitStatus: namespaces.ExitStatus{Code: 3}}
	}
	report(wire.Accepting)
	for {
		select {
		case x := <-p.dead:
			return x
		case m := <-p.says:
			report(m)
		}
	}
}

func (p *process) Reload(_ emperor.Plan, serial uint64) error {
	n := wire.Notice{Serial: serial, Kind: wire.Ready}
	if strings.Contains(p.does, "never") {
		return nil
	}
	if strings.Contains(p.does, "refuse") {
		n = wire.Notice{Serial: serial, Kind: wire.Failed, Text: "line 2: no"}
	}
	p.says <- n
	return nil
}

func (p *process) Stop(bool)                   { p.Kill() }
func (p *process) Clear(context.Context) error { return nil }
func (p *process) Restore()                    {}
func (p *process) KeepSockets()                {}

func (p *process) Kill() {
	select {
	case p.dead <- emperor.Exit{}:
	default: // it is dying
	}
}

func (p *process) KeptSockets() namespaces.Sockets { return nil }

func (p *process) LastLine() string { return "I " + p.does }

// open returns a gate that knows of no vassal's process.
func open() *Gate {
	return &Gate{Confines: func(*namespaces.Caller) (bool, error) { return false, nil }, Log: slog.New(slog.DiscardHandler)}
}

// stage is an emperor with a control socket.
type stage struct {
	*Client
	t        testing.TB
	dir      string
	monitor  *monitor.Static
	emperor  *emperor.Emperor
	server   *Server
	rescans  chan struct{}
	shutdown func()
}

func play(t testing.TB, vassals ...string) *stage {
	t.Helper()
	s := &stage{t: t, dir: filepath.Join(t.TempDir(), "run"), monitor: monitor.NewStatic("static"), rescans: make(chan struct{}, 1)}
	hub := &output.Hub{}
	log := slog.New(slog.DiscardHandler)
	s.emperor = emperor.New(emperor.Options{
		Monitors: []monitor.Monitor{s.monitor}, Launcher: launcher{hub}, Concurrency: 2, Mercy: time.Second, Log: log,
		Backoff: emperor.Backoff{Initial: time.Hour, Max: time.Hour, Reset: time.Hour},
	})
	claim, err := ClaimRuntimeDir(s.dir, os.Geteuid(), os.Getegid())
	if err != nil {
		t.Fatal(err)
	}
	events := &eventlog.Log{Gone: hub.Forget}
	server := &Server{Emperor: s.emperor, Output: hub, Events: events, Meter: &Meter{}, Gate: open(), Rescan: func() { s.rescans <- struct{}{} }, Log: log, Info: Info{PID: 7}}
	server.Changes = func(_ context.Context, was emperor.Plan) (Changes, error) { return Changes{Path: was.Path}, nil }
	s.server = server
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go events.Run(s.emperor.Follow())
	go func() { ended <- s.emperor.Run(ctx) }()
	go func() { ended <- server.Run(ctx, claim) }()
	s.shutdown = func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		claim.Close()
	}
	t.Cleanup(func() { s.shutdown() })
	s.Client = NewClient(s.dir)
	for i := 0; i < len(vassals); i += 2 {
		s.monitor.Put(monitor.Text(vassals[i], vassals[i+1]))
	}
	for i := 0; i < len(vassals); i += 2 {
		want := emperor.Running
		if strings.Contains(vassals[i+1], "crash") {
			want = emperor.BackingOff
		}
		s.until(vassals[i], want)
	}
	return s
}

func (s *stage) call(method, path string, into any) error {
	return s.Call(s.t.Context(), method, path, into)
}

func (s *stage) until(name string, want emperor.State) Status {
	s.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		var st Status
		err := s.call("GET", "/vassals/"+name, &st)
		if err == nil && st.State == want {
			return st
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s is %q (%v), want %q", name, st.State, err, want)
		}
	}
}

func TestListAndStatus(t *testing.T) {
	s := play(t, "a.ini", "well", "b.ini", "crash")
	var list List
	if err := s.call("GET", "/vassals", &list); err != nil || len(list.Vassals) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if a := list.Vassals[0]; a.Name != "a.ini" || a.PID != os.Getpid() || a.Generation != 1 || a.Memory == 0 || a.Error != "" {
		t.Errorf("a.ini: %+v", a)
	}
	if b := list.Vassals[1]; b.State != emperor.BackingOff || b.Error != "exit status 3, its last words: I crash" || b.Failures != 1 {
		t.Errorf("b.ini: %+v", b)
	}
	st := s.until("b.ini", emperor.BackingOff)
	if len(st.Exits) != 1 || st.Exits[0].Text != "exit status 3" || len(st.Lines) != 1 || st.Lines[0].Text != "I crash" || st.Lines[0].Level != slog.LevelWarn {
		t.Errorf("status: %+v", st)
	}
	if st := s.until("a", emperor.Running); st.Namespaces["net"] == "" {
		t.Errorf("status by the short name: %+v", st)
	}
	var info Info
	if err := s.call("GET", "/emperor", &info); err != nil || info.Vassals[emperor.Running] != 1 || info.PID != 7 {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestVerbsThatWait(t *testing.T) {
	s := play(t, "a.ini", "well", "b.ini", "crash", "c.ini", "refuse")
	for _, tt := range []struct {
		name, verb, wrong string
		state             emperor.State
		generation        uint64
	}{
		{"a.ini", "reload", "", emperor.Running, 1},
		{"a.ini", "restart", "", emperor.Running, 2},
		{"a.ini", "stop", "", emperor.Idle, 2},
		{"a.ini", "stop", "", emperor.Idle, 2},
		{"a.ini", "start", "", emperor.Running, 3},
		{"a.ini", "start", "", emperor.Running, 3},
		{"c.ini", "reload", "line 2: no", emperor.Running, 1},
		{"b.ini", "start", "exit status 3, its last words: I crash", emperor.BackingOff, 2},
		{"b.ini", "reset", "exit status 3, its last words: I crash", emperor.BackingOff, 3},
	} {
		var a Answer
		if err := s.call("POST", "/vassals/"+tt.name+"/"+tt.verb+"?wait", &a); err != nil {
			t.Errorf("%s %s: %v", tt.verb, tt.name, err)
			continue
		}
		if !a.Done || a.Error != tt.wrong || a.Vassal.State != tt.state || a.Vassal.Generation != tt.generation {
			t.Errorf("%s %s: %+v, want %+v", tt.verb, tt.name, a, tt)
		}
	}
	var answers []Answer
	if err := s.call("POST", "/reload?wait", &answers); err != nil || len(answers) != 2 || answers[0].Error != "" || answers[1].Error != "line 2: no" {
		t.Errorf("reload of all: %+v, %v", answers, err)
	}
	if err := s.call("POST", "/reload", &answers); err != nil || len(answers) != 2 || answers[0].Name != "a.ini" || answers[1].Name != "c.ini" ||
		answers[0].Done || answers[0].Vassal.Generation != 3 {
		t.Errorf("reload of all that is not waited for: %+v, %v", answers, err)
	}
	if err := s.call("POST", "/vassals/b.ini/reload", &Answer{}); err == nil || !strings.Contains(err.Error(), "it does not run: it is backoff") {
		t.Errorf("reload of what does not run: %v", err)
	}
}

// A vassal that has just started is known, however often others have asked.
func TestNewVassalIsFoundAtOnce(t *testing.T) {
	s := play(t, "a.ini", "well")
	for i := range 20 {
		name := fmt.Sprintf("b%d.ini", i)
		if err := s.call("GET", "/vassals", &List{}); err != nil {
			t.Fatal(err)
		}
		s.monitor.Put(monitor.Text(name, "well"))
		for known := false; !known; {
			records, err := s.emperor.Records(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			known = slices.ContainsFunc(records, func(r emperor.Record) bool { return r.Name == name })
		}
		if err := s.call("GET", "/vassals/"+name, &Status{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMistakes(t *testing.T) {
	s := play(t, "web.ini", "well", "worker.ini", "well")
	for _, tt := range []struct {
		method, path string
		code         int
		text, near   string
	}{
		{"GET", "/vassals/wbe", 404, `there is no vassal "wbe"`, "web.ini"},
		{"GET", "/vassals/webb", 404, `there is no vassal "webb"`, "web.ini"},
		{"GET", "/vassals/work", 404, `there is no vassal "work"`, "worker.ini"},
		{"POST", "/vassals/worke.ini/stop", 404, "there is no vassal", "worker.ini"},
		{"POST", "/vassals/web.ini/stop?wait=perhaps", 400, "neither true nor false", ""},
		{"POST", "/vassals/web.ini/kill?signal=nonsense", 400, "is no signal", ""},
		{"GET", "/vassals/web.ini/logs?lines=x", 400, "not a number", ""},
		{"GET", "/vassals/web.ini/stop", 404, "docs/control.md", ""},
		{"POST", "/nonsense", 404, "docs/control.md", ""},
	} {
		var f *Error
		err := s.call(tt.method, tt.path, &struct{}{})
		if !errors.As(err, &f) || f.Code != tt.code || !strings.Contains(f.Message, tt.text) || strings.Join(f.Near, " ") != tt.near {
			t.Errorf("%s %s: %+v, want %+v", tt.method, tt.path, f, tt)
		}
	}
}

func TestEventsAndLogsAreFollowed(t *testing.T) {
	s := play(t, "a.ini", "well")
	ctx, cancel := context.WithCancel(t.Context())
	events, lines := make(chan eventlog.Event, 100), make(chan output.Line, 100)
	go s.Stream(ctx, "/events?follow&vassal=a", func(m json.RawMessage) error {
		var e eventlog.Event
		err := json.Unmarshal(m, &e)
		events <- e
		return err
	})
	go s.Stream(ctx, "/vassals/a/logs?follow", func(m json.RawMessage) error { var l output.Line; err := json.Unmarshal(m, &l); lines <- l; return err })
	expect := func(want emperor.State) {
		t.Helper()
		for {
			select {
			case e := <-events:
				if e.To == want {
					return
				}
			case <-time.After(5 * time.Second):
				t.Fatalf("no event -> %s", want)
			}
		}
	}
	expect(emperor.Running) // remembered
	<-lines
	s.call("POST", "/vassals/a/restart", &Answer{})
	expect(emperor.Clearing)
	expect(emperor.Running)
	select {
	case l := <-lines:
		if l.Number != 2 {
			t.Errorf("got %+v, want the second line", l)
		}
	case <-time.After(5 * time.Second):
		t.Error("the line of the next generation is not followed")
	}
	cancel()
}

func TestRescanAndGoneVassals(t *testing.T) {
	s := play(t, "a.ini", "well")
	if err := s.call("POST", "/rescan", &struct{}{}); err != nil {
		t.Error(err)
	}
	<-s.rescans
	s.monitor.Remove("a.ini")
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		var f *Error
		if err := s.call("GET", "/vassals/a.ini", &Status{}); errors.As(err, &f) && f.Code == http.StatusNotFound {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("a vassal that is gone is still there")
		}
	}
}

func TestOneEmperorHasTheRuntimeDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	first, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid())
	if err != nil {
		t.Fatal(err)
	}
	var held HeldError
	if _, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid()); !errors.As(err, &held) || !strings.Contains(err.Error(), "--runtime-dir") {
		t.Errorf("the second gets %v", err)
	}
	if info, err := os.Stat(first.path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info.Mode(), err)
	}
	// The first one dies: its socket stays, the lock does not.
	first.lock.Close()
	second, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid())
	if err != nil {
		t.Fatal(err)
	}
	first.socket.Close()
	if _, err := net.Dial("unix", second.path()); err != nil {
		t.Errorf("the second does not listen: %v", err)
	}
	// A file of another process in place of the socket is not removed.
	os.Remove(second.path())
	os.WriteFile(second.path(), nil, 0o600)
	second.Close()
	if _, err := os.Stat(second.path()); err != nil {
		t.Errorf("another's file is removed: %v", err)
	}
}

func TestRuntimeDirectoriesThatAreRefused(t *testing.T) {
	base := t.TempDir()
	os.Mkdir(filepath.Join(base, "open"), 0o777)
	os.Chmod(filepath.Join(base, "open"), 0o777)
	os.WriteFile(filepath.Join(base, "file"), nil, 0o600)
	os.Mkdir(filepath.Join(base, "real"), 0o700)
	os.Symlink("real", filepath.Join(base, "link"))
	for name, want := range map[string]string{"open": "others can write", "file": "no directory", "link": "no directory", "none/deep": "no such file"} {
		if _, err := ClaimRuntimeDir(filepath.Join(base, name), os.Geteuid(), os.Getegid()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func TestNobodyAnswers(t *testing.T) {
	s := play(t)
	s.shutdown()
	s.shutdown = func() {}
	if err := s.call("GET", "/vassals", &List{}); !errors.Is(err, ErrNoEmperor) || !strings.Contains(err.Error(), "--runtime-dir") {
		t.Errorf("got %v", err)
	}
}

func TestSignalNames(t *testing.T) {
	for text, want := range map[string]string{"": "terminated", "KILL": "killed", "sighup": "hangup", "15": "terminated", "0": "!", "65": "!", "x": "!"} {
		s, err := signal(text)
		if got := s.String(); err == nil && got != want || err != nil && want != "!" {
			t.Errorf("%q: %v, %v, want %s", text, s, err, want)
		}
	}
}

// A client that waits for the end of a vassal gets an answer when another client starts it
// again.
func TestStopThatIsTakenBack(t *testing.T) {
	record := func(s emperor.State, d emperor.Desired, generation uint64) emperor.Record {
		return emperor.Record{State: s, Desired: d, RecordedProcess: emperor.RecordedProcess{Generation: generation}}
	}
	first := record(emperor.Stopping, emperor.Held, 1)
	for _, now := range []emperor.Record{record(emperor.Stopping, emperor.Run, 1), record(emperor.Running, emperor.Run, 2)} {
		if over, why := outcome(emperor.Stop, first, now); !over || why != "it has been started again" {
			t.Errorf("%+v: %v %q", now, over, why)
		}
	}
	if over, _ := outcome(emperor.Stop, first, record(emperor.Clearing, emperor.Held, 1)); over {
		t.Error("it is over before the end")
	}
}

// A client that stops waiting does not report that no emperor answers.
func TestWaitThatIsInterrupted(t *testing.T) {
	s := play(t, "a.ini", "well")
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	if err := s.Call(ctx, "POST", "/vassals/a.ini/restart?wait", &Answer{}); !errors.Is(err, enough) || errors.Is(err, ErrNoEmperor) {
		t.Errorf("got %v", err)
	}
}

// A running vassal without working workers has an error.
func TestWorkersThatDieAreAnError(t *testing.T) {
	now := time.Now()
	r := emperor.Record{State: emperor.Running}
	r.PID, r.Exit, r.WorkerDeaths = 7, "exit status 1", &wire.Deaths{Recent: 3, Total: 9, Exit: "exit status 7"}
	if got, want := wrong(r, verbatim), "its workers die, 3 in a row, the last: exit status 7"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	r.WorkerDeaths.Next = now.Add(4 * time.Second)
	if got, want := dying(r, verbatim, now), "its workers die, 3 in a row, the last: exit status 7; the next one in 4s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	r.WorkerDeaths.Recent = 0
	if got := wrong(r, verbatim); got != "" {
		t.Errorf("when they have recovered: %q", got)
	}
}

// The list shows the cause: the most harmful error comes first, an old refusal hides no death,
// and the end of an earlier process is not shown once the vassal runs again.
func TestWhatIsWrongNow(t *testing.T) {
	deaths := &wire.Deaths{Recent: 1, Exit: "exit status 7"}
	hook := []emperor.HookRun{{Phase: hooks.AsEmperor, Index: 1, Hook: "exec: ip link add", Result: "exit status 2: no device", Generation: 4}}
	quote := func(end string) string { return end + ", its last words: boom" }
	type (
		process = emperor.RecordedProcess
		configs = emperor.RecordedConfig
		exit    = emperor.RecordedExit
		reports = emperor.RecordedReports
	)
	twice := exit{Failures: 2, Exit: "exit status 1", ExitReason: "a.ini:3: no"}
	for want, r := range map[string]emperor.Record{
		"its workers die, 1 in a row, the last: exit status 7, its last words: boom\ncannot reload: worker 3 ended, its last words: boom": {
			State: emperor.Running, RecordedProcess: process{PID: 7}, RecordedReports: reports{WorkerDeaths: deaths}, RecordedConfig: configs{ReloadError: "worker 3 ended"},
		},
		"":            {State: emperor.Running, RecordedProcess: process{PID: 7, Generation: 4}, RecordedExit: twice, RecordedReports: reports{Hooks: hook}},
		"a.ini:3: no": {State: emperor.BackingOff, RecordedExit: twice},
		"hook as-emperor #1 (exec: ip link add): exit status 2: no device": {
			State: emperor.Starting, RecordedProcess: process{PID: 7, Generation: 4}, RecordedReports: reports{Hooks: hook},
		},
		"the first\nthe second": {State: emperor.Idle, RecordedConfig: configs{Fault: "the first\nthe second"}},
	} {
		if got := wrong(r, quote); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestLauncherConforms: these tests are about a launcher as others are.
func TestLauncherConforms(t *testing.T) {
	launchertest.Run(t, func(*testing.T) launchertest.Subject {
		return launchertest.Subject{Launcher: launcher{&output.Hub{}}, Runs: "work", Ends: "crash", Reloads: true}
	})
}
