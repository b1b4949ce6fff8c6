package workers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// world is a fake operating system. The words in the name of a process define its behaviour: slow
// (ready after 3 s), missing (cannot be run), late (the same, and its death is noticed first),
// silent (never READY=1), mute (no event of its start), stubborn (ignores signals), crash (dies
// at once), full (every other one cannot be started).
type world struct {
	mu      sync.Mutex
	next    int
	alive   map[int]string
	dead    []int
	status  map[int]string
	history []string
	usage   namespaces.Usage
	signals chan os.Signal
	knock   func()
	post    func(Event)
	changed func(string)
	orphans []Orphan
	// answered reports whether the address "once", which answers one probe, has answered.
	answered atomic.Bool
}

func (w *world) note(format string, args ...any) {
	w.history = append(w.history, fmt.Sprintf(format, args...))
}

// since returns the events after the last call, in order.
func (w *world) since() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := strings.Join(w.history, ", ")
	w.history = nil
	return text
}

func (w *world) Start(s Spec, post func(Event)) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next++
	pid, name := w.next, s.Program.Args[0]
	if strings.Contains(name, "full") && pid%2 == 0 {
		return 0, syscall.EAGAIN
	}
	w.note("start %d %s", pid, name)
	w.alive[pid], w.post = name, post
	go func() {
		switch {
		case strings.Contains(name, "late"):
			w.end(pid, "exit status 1")
			time.Sleep(time.Millisecond)
			post(refused{s.ID, errors.New("no such program")})
		case strings.Contains(name, "missing"):
			post(refused{s.ID, errors.New("no such program")})
			w.end(pid, "exit status 1")
		case strings.Contains(name, "crash"):
			post(executed{s.ID})
			w.end(pid, "exit status 7")
		case strings.Contains(name, "mute"):
		case strings.Contains(name, "slow"):
			time.Sleep(3 * time.Second)
			post(executed{s.ID})
			post(notification{pid, "READY=1"})
		default:
			post(executed{s.ID})
			if !strings.Contains(name, "silent") {
				post(notification{pid, "READY=1"})
			}
		}
	}()
	return pid, nil
}

// end makes a process die.
func (w *world) end(pid int, status string) {
	w.mu.Lock()
	_, ok := w.alive[pid]
	if ok {
		delete(w.alive, pid)
		w.dead, w.status[pid] = append(w.dead, pid), status
		w.note("dead %d", pid)
	}
	w.mu.Unlock()
	if ok {
		w.signals <- syscall.SIGCHLD
	}
}

func (w *world) Signal(pid int, s os.Signal) {
	w.mu.Lock()
	name := w.alive[pid]
	w.note("%v %d", s, pid)
	w.mu.Unlock()
	switch {
	case strings.Contains(name, "stubborn"):
	case strings.Contains(name, "sulky"):
		w.leave(pid, "exit status 7")
	default:
		w.leave(pid, "exit status 0")
	}
}

// leave ends a process when all other goroutines are blocked.
func (w *world) leave(pid int, status string) {
	go func() {
		time.Sleep(time.Nanosecond)
		w.end(pid, status)
	}()
}

func (w *world) SignalGroup(pid int, s os.Signal) { w.Signal(pid, s) }

func (w *world) Ask(pid int, s os.Signal) { w.Signal(pid, s) }

func (w *world) Kill(pid int) {
	w.mu.Lock()
	w.note("kill %d", pid)
	w.mu.Unlock()
	w.leave(pid, "signal: killed")
}

func (w *world) Reap() (pid int, s namespaces.ExitStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.dead) == 0 {
		return 0, s
	}
	pid = w.dead[0]
	w.dead = w.dead[1:]
	switch status := w.status[pid]; status {
	case "signal: killed":
		s = namespaces.ExitStatus{Code: -1, Signal: syscall.SIGKILL}
	default:
		if _, err := fmt.Sscanf(status, "exit status %d", &s.Code); err != nil {
			panic(err)
		}
	}
	return pid, s
}

func (w *world) Orphans() []Orphan { return w.orphans }

func (w *world) EndOrphan(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("end orphan %d", pid)
	w.orphans = slices.DeleteFunc(w.orphans, func(o Orphan) bool { return o.PID == pid })
}

func (w *world) Leader(pid int) int { return pid }

func (w *world) Usage(int) namespaces.Usage {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.usage
}

func (w *world) Notifications(func(Event)) (string, error) { return "@notify", nil }

func (w *world) Probe(ctx context.Context, q Question) error {
	switch members, err := q.Members(ctx); {
	case err != nil:
		return err
	case q.Probe.Address == "down" || q.Probe.Address == "once" && w.answered.Swap(true):
		q.Failed(errors.New("nothing listens"))
		<-ctx.Done()
		return ctx.Err()
	default:
		slices.Sort(members.Crew)
		slices.Sort(members.Others)
		w.mu.Lock()
		w.note("probe %d of %v and %v", q.PID, members.Crew, members.Others)
		w.mu.Unlock()
	}
	return nil
}

func (w *world) Watch(_ context.Context, _, _ []string, post func(Event)) error {
	w.changed = func(name string) { post(fileChanged{name}) }
	return nil
}

func (w *world) AwaitConnection(ctx context.Context, _ *Plan, post func(Event)) error {
	knocked := make(chan struct{})
	w.knock = func() { close(knocked) }
	go func() {
		select {
		case <-knocked:
			post(connected{})
		case <-ctx.Done():
		}
	}()
	return nil
}

// stage is a master in a fake world.
type stage struct {
	*world
	t        *testing.T
	log      *bytes.Buffer
	commands chan wire.Command
	orders   chan wire.Order
	said     []string
	ends     []string
	plans    map[string]*Plan // by the text of an order
	ended    chan error
	mu2      sync.Mutex
}

// plan returns a plan with n workers that run a program.
func plan(program string, n int) *Plan {
	return &Plan{
		Program: &Program{Path: "/" + program, Args: []string{program}}, Workers: config.Workers{Processes: n},
		Mercy: time.Minute, Ready: config.Readiness{Timeout: 10 * time.Second}, Hooks: hooks.Set{},
	}
}

func play(t *testing.T, p *Plan) *stage {
	t.Helper()
	return playWith(t, p, func(*Options) {})
}

func playWith(t *testing.T, p *Plan, change func(*Options)) *stage {
	t.Helper()
	s := &stage{
		world: &world{alive: map[int]string{}, status: map[int]string{}, signals: make(chan os.Signal, 32)}, t: t, log: &bytes.Buffer{},
		commands: make(chan wire.Command), orders: make(chan wire.Order), plans: map[string]*Plan{}, ended: make(chan error, 1),
	}
	o := Options{
		Plan: p, System: s.world, Signals: s.signals, Commands: s.commands, Orders: s.orders,
		Read: func(o *wire.Order) func() (*Plan, error) {
			if o != nil && strings.Contains(string(o.Config), "hangs") {
				time.Sleep(time.Hour)
			}
			return func() (*Plan, error) {
				if o == nil && p.Triggers.Exit {
					return nil, fmt.Errorf("%w: exit-on-reload", ErrAnew)
				} else if o == nil {
					return p, nil
				}
				if next := s.plans[string(o.Config)]; next != nil && next.Triggers.Exit {
					return nil, fmt.Errorf("%w: exit-on-reload", ErrAnew)
				} else if next != nil {
					return next, nil
				}
				return nil, errors.New("line 1: no good")
			}
		},
		Report:       func(r wire.Report) { s.say("%v", r) },
		Answer:       func(serial uint64, kind wire.NoticeKind, text string) { s.say("%d %v %s", serial, kind, text) },
		ReportDeaths: func(d wire.Deaths) { s.deaths(d) },
		ReportEnd:    func(e wire.End) { s.say("parted %+v", e) },
		Gap:          func(d time.Duration) { s.say("gap %v", d) },
		Log:          slog.New(termlog.New(s.log, termlog.Options{Level: slog.LevelDebug})),
	}
	change(&o)
	t.Cleanup(func() { time.Sleep(time.Minute) }) // pending events of the world arrive
	go func() { s.ended <- Run(o) }()
	synctest.Wait()
	return s
}

func (s *stage) say(format string, args ...any) {
	s.mu2.Lock()
	defer s.mu2.Unlock()
	s.said = append(s.said, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// deaths records a report of deaths: recent/total exit +pause.
func (s *stage) deaths(d wire.Deaths) {
	s.mu2.Lock()
	defer s.mu2.Unlock()
	text := fmt.Sprintf("%d/%d", d.Recent, d.Total)
	if d.Exit != "" {
		text += fmt.Sprintf(" %s +%v", d.Exit, time.Until(d.Next))
	}
	s.ends = append(s.ends, text)
}

func (s *stage) expectMourned(want ...string) {
	s.t.Helper()
	synctest.Wait()
	s.mu2.Lock()
	defer s.mu2.Unlock()
	if !slices.Equal(s.ends, want) {
		s.t.Errorf("reported ends %q, want %q", s.ends, want)
	}
	s.ends = nil
}

// expect compares the steps since the last call with one of several lists: a process may die
// before or after the next one starts.
func (s *stage) expect(wants ...string) {
	s.t.Helper()
	time.Sleep(time.Microsecond) // for workers that leave
	synctest.Wait()
	if got := s.since(); !slices.Contains(wants, got) {
		s.t.Errorf("got  %s\nwant %s\nlog:\n%s", got, strings.Join(wants, "\n  or "), s.log)
	}
}

// expectSorted compares steps that may come in any order.
func (s *stage) expectSorted(want string) {
	s.t.Helper()
	synctest.Wait()
	got := strings.Split(s.since(), ", ")
	slices.Sort(got)
	if strings.Join(got, ", ") != want {
		s.t.Errorf("got  %s\nwant %s\nin any order", got, want)
	}
}

func (s *stage) expectSaid(want ...string) {
	s.t.Helper()
	synctest.Wait()
	s.mu2.Lock()
	defer s.mu2.Unlock()
	if !slices.Equal(s.said, want) {
		s.t.Errorf("said %q, want %q", s.said, want)
	}
	s.said = nil
}

// expectLogged expects lines, or parts of lines, in the log.
func (s *stage) expectLogged(want ...string) {
	s.t.Helper()
	synctest.Wait()
	for _, text := range want {
		if !strings.Contains(s.log.String(), text) {
			s.t.Errorf("not in the log: %s\n%s", text, s.log)
		}
	}
}

// order sends a configuration that stands for a plan.
func (s *stage) order(serial uint64, text string, p *Plan) {
	if p != nil {
		s.plans[text] = p
	}
	s.orders <- wire.Order{Serial: serial, Config: []byte(text)}
	synctest.Wait()
}

// over returns the result of Run, which must end within an hour.
func (s *stage) over() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(time.Hour):
		s.t.Fatalf("Run does not return; the log:\n%s", s.log)
		return nil
	}
}

func (s *stage) stop(want string) {
	s.t.Helper()
	s.commands <- wire.Stop
	err := s.over()
	if got := fmt.Sprint(err); got != want {
		s.t.Errorf("Run returned %v, want %s", err, want)
	}
	if len(s.alive) > 0 {
		s.t.Errorf("left alive: %v", s.alive)
	}
}

func TestStartAndStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 2))
		s.expect("start 1 web, start 2 web")
		s.expectSaid("accepting")
		s.stop("<nil>")
	})
}

func TestReloadStartsTheNewBeforeItStopsTheOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 2))
		s.since()
		committed := false
		next := plan("slow web2", 1)
		next.Candidate.Commit = func() { committed = true }
		s.order(7, "new", next)
		s.expect("start 3 slow web2")
		time.Sleep(3 * time.Second)
		synctest.Wait()
		s.expectSorted("dead 1, dead 2, terminated 1, terminated 2")
		s.expectSaid("accepting", "7 ready")
		if !committed {
			t.Error("the new plan was not committed")
		}
		s.stop("<nil>")
	})
}

// A worker that cannot be started ends the whole new crew, and the vassal if it is the first
// crew.
func TestWorkerThatCannotBeStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 1))
		s.order(7, "new", plan("full", 4))
		s.expectSaid("accepting", "7 failed resource temporarily unavailable")
		time.Sleep(time.Minute)
		if s.alive[1] != "web" || len(s.alive) != 1 {
			t.Errorf("alive: %v", s.alive)
		}
		s.stop("<nil>")
		s = play(t, plan("full", 4))
		if err := s.over(); !errors.Is(err, syscall.EAGAIN) || len(s.alive) > 0 {
			t.Errorf("Run returned %v, alive: %v", err, s.alive)
		}
	})
}

// A worker of the new crew that dies after it was ready, and before the others are, is replaced
// after its own pause.
func TestDeathDuringAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 1))
		next := plan("web2", 2)
		next.Ready.Notify = true
		s.order(7, "new", next)
		s.expectSaid("accepting", "7 ready")
		slow := plan("slow web3", 2)
		slow.Ready = config.Readiness{Notify: true, Timeout: time.Minute}
		s.order(8, "slow", slow)
		s.post(notification{4, "READY=1"})
		synctest.Wait()
		time.Sleep(2900 * time.Millisecond) // another 0.1 s until the other worker is ready
		s.end(4, "signal: killed")
		synctest.Wait()
		time.Sleep(4 * time.Second)
		s.expectSaid("8 ready")
		s.stop("<nil>")
	})
}

func TestReloadThatFailsKeepsTheOld(t *testing.T) {
	for name, want := range map[string]string{
		"missing": "7 failed no such program",
		"late":    "7 failed no such program",
		"crash":   "7 failed worker 2 ended: exit status 7",
		"silent":  "7 failed worker 2 was not ready within 10s: it has not sent READY=1",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(t, plan("web", 1))
				discarded := false
				next := plan(name, 1)
				next.Ready.Notify = true
				next.Candidate.Discard = func() { discarded = true }
				s.order(7, "new", next)
				time.Sleep(11 * time.Second)
				s.expectSaid("accepting", want)
				if s.alive[1] != "web" || len(s.alive) != 1 || !discarded {
					t.Errorf("alive %v, discarded %v", s.alive, discarded)
				}
				s.stop("<nil>")
			})
		})
	}
}

func TestOrderThatDoesNotParseIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 1))
		s.order(3, "rubbish", nil)
		s.expectSaid("accepting", "3 failed line 1: no good")
		s.stop("<nil>")
	})
}

// The last of several orders during a reload is executed, and each gets an answer.
func TestOnlyTheLastOfABurstIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 1))
		s.order(1, "a", plan("slow a", 1))
		s.order(2, "b", plan("b", 1))
		s.order(3, "c", plan("c", 1))
		time.Sleep(4 * time.Second)
		s.expectSaid("accepting", "1 ready", "2 failed "+errOvertaken.Error(), "3 ready")
		if len(s.alive) != 1 || !slices.Contains([]string{s.alive[4], s.alive[3]}, "c") {
			t.Errorf("alive: %v", s.alive)
		}
		s.stop("<nil>")
	})
}

func TestDeadWorkerIsReplacedAndTheOthersStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 2))
		time.Sleep(time.Minute)
		s.since()
		s.end(1, "signal: killed")
		synctest.Wait()
		time.Sleep(time.Millisecond)
		s.expect("dead 1, start 3 web") // its life was long, so the restart is immediate
		s.end(3, "signal: killed")
		synctest.Wait()
		s.expect("dead 3")
		time.Sleep(time.Second)
		s.expect("start 4 web")
		s.end(2, "exit status 9")
		s.expectLogged(
			`the worker died worker=1 pid=1 exit="signal: killed" restart=0s`,
			`the worker died worker=1 pid=3 exit="signal: killed" restart=1s`,
			`the worker died worker=2 pid=2 exit="exit status 9" restart=0s`)
		s.stop("<nil>")
	})
}

// The emperor gets a report of each death, and one when all workers have lived long enough. A
// worker that was asked to stop does not count as dead.
func TestDeathsAreToldUntilTheWorkersHaveRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 2))
		s.end(1, "signal: killed")
		s.expectMourned("1/1 signal: killed +500ms")
		time.Sleep(time.Second)
		s.end(3, "exit status 7")
		s.expectMourned("2/2 exit status 7 +1s")
		time.Sleep(restartReset)
		s.expectMourned()
		time.Sleep(time.Second)
		s.expectMourned("0/2")
		time.Sleep(time.Hour)
		s.end(2, "exit status 0")
		s.expectMourned("1/3 exit status 0 +0s")
		s.order(7, "new", plan("web2", 1)) // other workers replace them
		s.expectMourned("0/3")
		s.stop("<nil>")
		s.expectMourned()
	})
}

// A worker that is not ready has not recovered.
func TestSlowWorkerHasNotRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Ready = config.Readiness{Notify: true, Timeout: time.Minute}
		s := play(t, p)
		p.Program.Args[0] = "silent"
		s.end(1, "exit status 1")
		s.expectMourned("1/1 exit status 1 +500ms")
		time.Sleep(time.Minute)
		s.expectMourned()
		s.post(notification{2, "READY=1"})
		time.Sleep(restartReset)
		s.expectMourned("0/1")
		s.stop("<nil>")
	})
}

func TestFirstWorkerThatCannotRunEndsTheVassal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, name := range []string{"missing", "late"} {
			s := play(t, plan(name, 1))
			if err := s.over(); err == nil || err.Error() != "no such program" {
				t.Errorf("%s: Run returned %v", name, err)
			}
			s.expectSaid()
		}
	})
}

func TestStubbornWorkerIsKilledAfterMercy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("stubborn", 1))
		s.since()
		start := time.Now()
		s.stop("<nil>")
		if took := time.Since(start).Round(time.Second); took != time.Minute {
			t.Errorf("stopping took %v", took)
		}
		s.expect("terminated 1, kill 1, dead 1")
	})
}

func TestChainReloadReplacesOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("slow", 2)
		p.Triggers.Chain = []string{"/chain"}
		s := play(t, p)
		time.Sleep(4 * time.Second)
		s.since()
		s.changed("/chain")
		s.expect("start 3 slow")
		time.Sleep(3 * time.Second)
		s.expectSorted("dead 1, start 4 slow, terminated 1")
		time.Sleep(3 * time.Second)
		s.expect("terminated 2, dead 2")
		s.stop("<nil>")
	})
}

// A touch during another replacement, or during a reload, also replaces workers that started
// before the touch.
func TestChainReloadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("slow", 2)
		p.Triggers.Chain = []string{"/chain"}
		s := play(t, p)
		time.Sleep(4 * time.Second)
		s.changed("/chain")
		synctest.Wait()
		s.since()
		time.Sleep(4 * time.Second)
		s.expectSorted("dead 1, start 4 slow, terminated 1")
		s.changed("/chain") // worker 4 is starting
		time.Sleep(10 * time.Second)
		s.expectSorted("dead 2, dead 3, dead 4, start 5 slow, start 6 slow, terminated 2, terminated 3, terminated 4")
		s.signals <- syscall.SIGHUP
		synctest.Wait()
		s.changed("/chain")
		time.Sleep(20 * time.Second)
		if got := s.since(); !strings.HasPrefix(got, "start 7 slow, start 8 slow, ") || !strings.Contains(got, "start 9 slow") || !strings.HasSuffix(got, "terminated 8, dead 8") {
			t.Errorf("got %s", got)
		}
		s.stop("<nil>")
	})
}

func TestTouchReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Triggers.Touch = []string{"/touch"}
		s := play(t, p)
		s.since()
		s.changed("/touch")
		s.expect("start 2 web, terminated 1, dead 1")
		s.signals <- syscall.SIGHUP
		s.expect("start 3 web, terminated 2, dead 2")
		s.stop("<nil>")
	})
}

// With exit-on-reload the vassal never reloads: an order requests a new process, and every other
// trigger ends this one.
func TestExitOnReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Triggers.Exit = true
		s := play(t, p)
		s.commands <- wire.Reload
		if err := s.over(); err != nil {
			t.Error(err)
		}
		s.expect("start 1 web, terminated 1, dead 1")
		s.expectSaid("accepting", "0 renew requested by the emperor")
	})
}

func TestCheapStartsWithTheFirstConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Idle = config.Idleness{Cheap: true, After: time.Minute}
		s := play(t, p)
		s.expect("")
		s.expectSaid("accepting")
		s.world.knock()
		s.expect("start 1 web")
		time.Sleep(2 * time.Minute) // no processor time is used: idle
		s.expect("terminated 1, dead 1")
		s.world.knock()
		s.expect("start 2 web")
		s.stop("<nil>")
	})
}

func TestDieOnIdleWithdraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Idle = config.Idleness{After: time.Minute, Die: true}
		s := play(t, p)
		if err := s.over(); err != nil {
			t.Error(err)
		}
		s.expectSaid("accepting", "withdraw")
	})
}

func TestWorkerThatGrowsIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Triggers = config.Triggers{RSS: 100 << 20, MinLifetime: time.Minute}
		s := play(t, p)
		s.since()
		s.world.mu.Lock()
		s.usage.RSS = 200 << 20
		s.world.mu.Unlock()
		time.Sleep(59 * time.Second)
		s.expect("")
		time.Sleep(5 * time.Second)
		s.expect("start 2 web, terminated 1, dead 1")
		s.stop("<nil>")
	})
}

func TestProbeDecidesWhoIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 1))
		next := plan("web2", 1)
		next.Ready.Probe = config.Probe{Kind: "tcp", Address: "down"}
		s.order(1, "down", next)
		time.Sleep(11 * time.Second)
		next = plan("web3", 1)
		next.Ready.Probe = config.Probe{Kind: "tcp", Address: "up"}
		s.order(2, "up", next)
		s.expectSaid("accepting", "1 failed worker 2 was not ready within 10s: nothing listens", "2 ready")
		s.stop("<nil>")
	})
}

func TestControlDaemonEndsTheVassal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan("web", 1)
		p.Daemons = []config.Daemon{{Command: []string{"queue"}, Text: "queue | tee /log", Shell: true}, {Command: []string{"control"}, Control: true}}
		s := play(t, p)
		s.expect("start 1 queue, start 2 control, start 3 web")
		s.end(1, "exit status 1")
		time.Sleep(time.Second)
		s.expect("dead 1, start 4 queue")
		s.expectLogged(`daemon started pid=1 command="queue | tee /log"`, `the daemon has ended pid=1 command="queue | tee /log" exit="exit status 1"`)
		s.end(2, "exit status 1")
		if err := s.over(); !errors.Is(err, errControl) {
			t.Errorf("Run returned %v", err)
		}
		if len(s.alive) > 0 {
			t.Errorf("left alive: %v", s.alive)
		}
	})
}

func TestEmperorThatIsGoneEndsTheVassal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, plan("web", 1))
		close(s.commands)
		if err := s.over(); err != nil {
			t.Error(err)
		}
	})
}
