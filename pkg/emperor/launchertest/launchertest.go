// Package launchertest is the conformance suite of emperor.Launcher and of the processes that
// it launches. Every launcher runs it in a test.
package launchertest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Patience is how long a test waits for an event.
const Patience = 30 * time.Second

// prompt is how long a method that must not block may take.
const prompt = time.Second

// Subject is a launcher with configurations for it.
type Subject struct {
	// Launcher is the launcher under test. Required.
	Launcher emperor.Launcher
	// Runs is the text of a configuration that runs until it is stopped. Required.
	Runs string
	// Ends is the text of one that ends by itself, with a failure. Empty: not tested.
	Ends string
	// Reloads: a process answers reloads.
	Reloads bool
}

// Run runs the suite. Each test has a subject of its own.
func Run(t *testing.T, make func(*testing.T) Subject) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Subject){
		"a process runs until it is stopped":          stops,
		"a process can be killed, more than once":     kills,
		"the end of a process is reported once":       ends,
		"a reload is answered with its serial":        reloads,
		"launches of different vassals run at a time": parallel,
		"a launch is called off":                      calledOff,
		"a generation follows the cleared one":        follows,
	} {
		t.Run(name, func(t *testing.T) { test(t, make(t)) })
	}
}

func stops(t *testing.T, s Subject) {
	p := s.launch(t, "a.ini", s.Runs, 1)
	if p.PID() <= 0 {
		t.Errorf("PID is %d", p.PID())
	}
	p.alive()
	p.promptly("Restore", p.Restore)
	p.promptly("Stop", func() { p.Stop(true) })
	p.end()
}

func kills(t *testing.T, s Subject) {
	p := s.launch(t, "a.ini", s.Runs, 1)
	p.promptly("Kill", p.Kill)
	p.promptly("a second Kill", p.Kill)
	<-p.dead
	p.promptly("Kill of the dead", p.Kill)
	p.promptly("Stop of the dead", func() { p.Stop(false) })
	p.end()
}

func ends(t *testing.T, s Subject) {
	if s.Ends == "" {
		t.Skip("the launcher has no configuration that ends by itself")
	}
	p := s.launch(t, "a.ini", s.Ends, 1)
	if x := p.end(); x.Code == 0 && x.Signal == 0 {
		t.Errorf("a failed process ended with %v", x)
	}
}

func reloads(t *testing.T, s Subject) {
	if !s.Reloads {
		t.Skip("processes of the launcher do not reload")
	}
	p := s.launch(t, "a.ini", s.Runs, 1)
	p.until("a report", func(m emperor.Message) bool { return m == wire.Accepting })
	if err := p.Reload(plan("a.ini", s.Runs), 7); err != nil {
		t.Fatal(err)
	}
	p.until("the answer to reload 7", func(m emperor.Message) bool {
		n, ok := m.(wire.Notice)
		return ok && n.Serial == 7 && (n.Kind == wire.Ready || n.Kind == wire.Failed || n.Kind == wire.Anew)
	})
	p.alive()
	p.Stop(false)
	p.end()
}

func parallel(t *testing.T, s Subject) {
	var launches sync.WaitGroup
	for i := range 4 {
		launches.Go(func() {
			launched, err := s.Launcher.Launch(t.Context(), request(fmt.Sprintf("%d.ini", i), s.Runs, 1))
			if err != nil {
				t.Error(err)
				return
			}
			p := attend(t, launched)
			p.Kill()
			p.end()
		})
	}
	launches.Wait()
}

func calledOff(t *testing.T, s Subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	launched, err := s.Launcher.Launch(ctx, request("a.ini", s.Runs, 1))
	if err == nil { // it was too late
		p := attend(t, launched)
		p.Kill()
		p.end()
	}
	// Either way nothing is left that would be in the way of the next one.
	next := s.launch(t, "a.ini", s.Runs, 2)
	next.alive()
	next.Kill()
	next.end()
}

func follows(t *testing.T, s Subject) {
	for generation := range uint64(3) {
		p := s.launch(t, "a.ini", s.Runs, generation+1)
		if generation == 1 {
			p.promptly("Keep", p.KeepSockets)
		}
		p.alive()
		p.Stop(false)
		p.end()
	}
}

// process is a launched process that is attended.
type process struct {
	emperor.Process
	t        *testing.T
	messages chan emperor.Message
	dead     chan struct{}
	exit     emperor.Exit
	over     atomic.Int32
}

func (s Subject) launch(t *testing.T, name, text string, generation uint64) *process {
	t.Helper()
	p, err := s.Launcher.Launch(t.Context(), request(name, text, generation))
	if err != nil {
		t.Fatalf("Launch: %v", err)
	}
	return attend(t, p)
}

func attend(t *testing.T, launched emperor.Process) *process {
	p := &process{Process: launched, t: t, messages: make(chan emperor.Message, 1000), dead: make(chan struct{})}
	go p.Watch(func(m emperor.Message) {
		if p.over.Load() > 0 {
			t.Errorf("%v was reported after the end", m)
		}
		p.messages <- m
	}, func(x emperor.Exit) {
		if p.over.Add(1) > 1 {
			t.Error("the end was reported twice")
			return
		}
		p.exit = x
		close(p.dead)
	})
	return p
}

// alive fails if the process has ended.
func (p *process) alive() {
	p.t.Helper()
	select {
	case <-p.dead:
		p.t.Errorf("the process has ended: %v", p.exit)
	default:
	}
}

// until waits for a message.
func (p *process) until(what string, is func(emperor.Message) bool) {
	p.t.Helper()
	for deadline := time.After(Patience); ; {
		select {
		case m := <-p.messages:
			if is(m) {
				return
			}
		case <-p.dead:
			p.t.Fatalf("the process has ended before %s: %v", what, p.exit)
		case <-deadline:
			p.t.Fatalf("no %s", what)
		}
	}
}

// promptly calls a method that must not block.
func (p *process) promptly(name string, method func()) {
	p.t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); method() }()
	select {
	case <-done:
	case <-time.After(prompt):
		p.t.Errorf("%s blocks", name)
		<-done
	}
}

// end waits for the end of the process, and clears it.
func (p *process) end() emperor.Exit {
	p.t.Helper()
	select {
	case <-p.dead:
	case <-time.After(Patience):
		p.t.Error("the process does not end")
		return p.exit
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := p.Clear(ctx); err != nil {
		p.t.Errorf("Clear: %v", err)
	}
	p.KeptSockets().Close()
	_ = p.LastLine()
	return p.exit
}

func request(name, text string, generation uint64) emperor.Request {
	p := plan(name, text)
	return emperor.Request{Plan: &p, Generation: generation, Order: generation, Log: slog.New(slog.DiscardHandler)}
}

func plan(name, text string) emperor.Plan {
	c := monitor.Text(name, text)
	c.Dir, c.Path = "/tmp", "/tmp/"+name
	return emperor.Plan{Config: c}
}
