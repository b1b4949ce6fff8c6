package emperor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a fake operating system: it launches fakes and writes down what
// happened. What a vassal does is in its configuration: words of
//
//	slow-launch, no-launch, crash, mute, stubborn, immortal, sticky
type world struct {
	mu      sync.Mutex
	history []string
	alive   map[string]*fake // by name: never two at a time
	faults  []string
	breaks  string // a configuration, or setting of templates, whose launches crash
}

func newWorld() *world { return &world{alive: map[string]*fake{}} }

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history = append(w.history, fmt.Sprintf(format, args...))
}

// since returns what happened since the last call, in order.
func (w *world) since() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := strings.Join(w.history, ", ")
	w.history = nil
	return h
}

// Launch implements Launcher.
func (w *world) Launch(ctx context.Context, r Request) (Process, error) {
	does := string(r.Config.Data)
	w.note("launch %s#%d %s", r.Config.Name, r.Generation, does)
	if strings.Contains(does, "slow-launch") {
		select {
		case <-ctx.Done():
			w.note("called off %s#%d", r.Config.Name, r.Generation)
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Second):
		}
	}
	if w.broken(r) {
		does = "crash"
	}
	if strings.Contains(does, "no-launch") {
		return nil, errors.New("no such program")
	}
	f := &fake{
		world: w, name: r.Name, generation: r.Generation, does: does, socket: r.Socket,
		dead: make(chan Exit, 2), says: make(chan Message, 16),
	}
	w.mu.Lock()
	if w.alive[f.name] != nil {
		w.faults = append(w.faults, fmt.Sprintf("%s#%d was launched beside #%d", f.name, f.generation, w.alive[f.name].generation))
	}
	w.alive[f.name] = f
	w.mu.Unlock()
	return f, nil
}

func (w *world) broken(r Request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.breaks != "" && (string(r.Config.Data) == w.breaks || r.Templates != nil && string(r.Templates.Set[0]) == w.breaks)
}

type fake struct {
	world      *world
	name       string
	generation uint64
	does       string
	socket     *os.File
	dead       chan Exit
	says       chan Message
}

func (f *fake) PID() int { return int(f.generation) }

func (f *fake) Watch(report func(Message), over func(Exit)) { over(f.wait(report)) }

func (f *fake) wait(report func(Message)) Exit {
	switch {
	case strings.Contains(f.does, "crash"):
		f.end(code(1))
	case strings.Contains(f.does, "exile"):
		f.end(code(wire.Exile))
	case strings.Contains(f.does, "mute"):
	default:
		report(wire.Spawned)
		report(wire.Accepting)
	}
	for {
		select {
		case exit := <-f.dead:
			f.world.note("dead %s#%d %s", f.name, f.generation, exit)
			return exit
		case m := <-f.says:
			report(m)
		}
	}
}

func (f *fake) Reload(p Plan, serial uint64) error {
	does := string(p.Data)
	f.world.note("reload %s#%d %s", f.name, f.generation, does)
	switch {
	case strings.Contains(does, "deaf"):
		return errors.New("it is deaf")
	case strings.Contains(does, "refuse"):
		f.says <- wire.Notice{Serial: serial, Kind: wire.Failed, Text: "line 2: no"}
	case strings.Contains(does, "undone"):
		f.says <- wire.Notice{Serial: serial, Kind: wire.Undone, Text: "line 2: no"}
	case strings.Contains(does, "silent"):
	case strings.Contains(does, "bytes"): // uWSGI: no serial, no notice
		f.says <- wire.Accepting
	default:
		f.says <- wire.Notice{Serial: serial, Kind: wire.Ready}
	}
	f.world.mu.Lock()
	defer f.world.mu.Unlock()
	f.does = does
	return nil
}

func (f *fake) Stop(bool) {
	if !strings.Contains(f.does, "stubborn") {
		f.end(code(0))
	}
}

func (f *fake) Kill() {
	if !strings.Contains(f.does, "immortal") {
		f.end(killed)
	}
}

var killed = Exit{ExitStatus: namespaces.ExitStatus{Code: -1, Signal: syscall.SIGKILL}}

func code(n int) Exit { return Exit{ExitStatus: namespaces.ExitStatus{Code: n}} }

func (f *fake) end(e Exit) {
	select {
	case f.dead <- e:
	default:
	}
}

func (f *fake) Restore() {}

func (f *fake) KeepSockets() {}

func (f *fake) KeptSockets() namespaces.Sockets { return nil }

func (f *fake) LastLine() string { return "" }

func (f *fake) Clear(ctx context.Context) error {
	if strings.Contains(f.does, "sticky") {
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
		}
	}
	f.world.mu.Lock()
	delete(f.world.alive, f.name)
	f.world.mu.Unlock()
	f.world.note("clear %s#%d", f.name, f.generation)
	return nil
}

// stage is an emperor with a static monitor in a fake world.
type stage struct {
	*world
	emperor *Emperor
	monitor *monitor.Static
	log     *bytes.Buffer
	hurry   chan struct{}
	news    <-chan *Transition
	stop    func() error // ends the emperor and returns what Run returned
}

func play(t *testing.T, change func(*Options)) *stage {
	t.Helper()
	s := &stage{world: newWorld(), monitor: monitor.NewStatic("static"), log: &bytes.Buffer{}, hurry: make(chan struct{})}
	o := Options{
		Monitors: []monitor.Monitor{s.monitor}, Launcher: s.world, Concurrency: 2, Mercy: time.Minute, KillNow: s.hurry,
		Backoff: Backoff{Initial: 500 * time.Millisecond, Max: 30 * time.Second, Reset: 10 * time.Second},
		Log:     slog.New(termlog.New(s.log, termlog.Options{Prefix: "vassal", Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s.emperor = New(o)
	s.news = s.emperor.Follow()
	go func() { ended <- s.emperor.Run(ctx) }()
	s.stop = func() error { cancel(); return <-ended }
	synctest.Wait()
	return s
}

func (s *stage) put(name, does string) {
	s.monitor.Put(monitor.Text(name, does))
	synctest.Wait()
}

func (s *stage) remove(name string) {
	s.monitor.Remove(name)
	synctest.Wait()
}

func (s *stage) expect(t *testing.T, want string) {
	t.Helper()
	if got := s.since(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestAddChangeRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "1")
		s.expect(t, "launch a.ini#1 1")
		pass(time.Second)
		s.put("a.ini", "2")
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1, launch a.ini#2 2")
		s.remove("a.ini")
		s.expect(t, "dead a.ini#2 exit status 0, clear a.ini#2")
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		s.expect(t, "")
	})
}

func TestTheNextGenerationWaitsForTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "sticky")
		s.put("a.ini", "new")
		s.expect(t, "launch a.ini#1 sticky, dead a.ini#1 exit status 0")
		pass(5 * time.Second)
		s.expect(t, "clear a.ini#1, launch a.ini#2 new")
		s.stop()
	})
}

func TestOnlyTheLastOfABurstIsLaunched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "sticky 1")
		s.put("a.ini", "2")
		s.put("a.ini", "3")
		s.put("a.ini", "4")
		pass(5 * time.Second)
		s.expect(t, "launch a.ini#1 sticky 1, dead a.ini#1 exit status 0, clear a.ini#1, launch a.ini#2 4")
		s.stop()
	})
}

func TestCrashIsLaunchedAgainWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "crash")
		start, launches := time.Now(), []time.Duration{}
		for range 8 {
			for !strings.Contains(s.since(), "launch") {
				pass(100 * time.Millisecond)
			}
			launches = append(launches, time.Since(start).Truncate(100*time.Millisecond))
		}
		want := []time.Duration{0, 500, 1500, 3500, 7500, 15500, 31500, 61500}
		for i := range want {
			if launches[i] != want[i]*time.Millisecond {
				t.Errorf("launch %d after %v, want %v", i+1, launches[i], want[i]*time.Millisecond)
			}
		}
		s.put("a.ini", "well") // a change clears the backoff
		s.expect(t, "launch a.ini#9 well")
		s.stop()
	})
}

func TestStableRunForgivesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "1")
		for range 3 {
			pass(11 * time.Second)
			s.since()
			s.alive["a.ini"].end(killed)
			pass(400 * time.Millisecond)
			if h := s.since(); strings.Contains(h, "launch") {
				t.Errorf("launched without a pause: %s", h)
			}
			pass(200 * time.Millisecond)
			if h := s.since(); !strings.Contains(h, "launch") {
				t.Errorf("a vassal that was stable waits longer than the first pause: %s", h)
			}
		}
		s.stop()
	})
}

func TestLaunchThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "no-launch")
		pass(500 * time.Millisecond)
		s.expect(t, "launch a.ini#1 no-launch, launch a.ini#2 no-launch")
		if !strings.Contains(s.log.String(), `cannot launch error="no such program"`) {
			t.Errorf("the log does not say why:\n%s", s.log)
		}
		s.remove("a.ini")
		s.stop()
	})
}

func TestSlowLaunchDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil) // two launches at a time
		for i := range 3 {
			s.put(fmt.Sprintf("slow%d.ini", i), "slow-launch")
		}
		s.since()
		s.put("z.ini", "quick")
		pass(2 * slowLaunch)
		if h := s.since(); !strings.Contains(h, "launch z.ini#1") {
			t.Errorf("slow launches hold the place of others: %s", h)
		}
		if err := s.stop(); err != nil { // in the middle of three launches
			t.Error(err)
		}
	})
}

func TestChangeDuringALaunchCallsItOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "slow-launch")
		s.put("a.ini", "2")
		s.expect(t, "launch a.ini#1 slow-launch, called off a.ini#1, launch a.ini#2 2")
		s.stop()
	})
}

func TestStubbornVassalIsKilledAfterMercy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "stubborn")
		s.remove("a.ini")
		pass(59 * time.Second)
		s.expect(t, "launch a.ini#1 stubborn")
		pass(time.Second)
		s.expect(t, "dead a.ini#1 signal: killed, clear a.ini#1")
		s.stop()
	})
}

// A second request to stop kills what does not stop, and calls off the hooks of the end.
func TestSecondRequestToStopKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		s.put("a.ini", "stubborn")
		s.put("b.ini", "sticky")
		start := time.Now()
		go func() { time.Sleep(time.Second); s.hurry <- struct{}{} }()
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("stopping took %v", took)
		}
	})
}

func TestFaultyConfigurationNeverStopsARunningVassal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) {
			o.Check = func(c monitor.Config) (Facts, error) {
				if strings.Contains(string(c.Data), "bad") {
					return Facts{}, errors.New("line 1: bad")
				}
				return Facts{}, nil
			}
		})
		s.put("a.ini", "good")
		s.put("a.ini", "bad")
		s.put("b.ini", "bad")
		began := time.Now()
		pass(time.Hour)
		s.put("a.ini", "bad too")
		pass(time.Minute)
		s.expect(t, "launch a.ini#1 good")
		records, err := s.emperor.Records(t.Context())
		if err != nil || len(records) != 2 {
			t.Fatalf("%v, %v", records, err)
		}
		for _, r := range records {
			if r.Fault != "line 1: bad" || !r.FaultSince.Equal(began) {
				t.Errorf("%s is faulty since %v, not %v: %q", r.Name, r.FaultSince, began, r.Fault)
			}
		}
		for _, want := range []string{
			`a.ini: cannot use its new configuration; the old one keeps running error="line 1: bad"`,
			`b.ini: cannot use its configuration error="line 1: bad"`,
		} {
			if n := strings.Count(s.log.String(), want); n != 1 {
				t.Errorf("%d times in the log: %s", n, want)
			}
		}
		s.put("b.ini", "mended")
		s.expect(t, "launch b.ini#1 mended")
		s.stop()
	})
}

func TestSameNameInTwoMonitors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := monitor.NewStatic("second")
		s := play(t, func(o *Options) { o.Monitors = append(o.Monitors, second) })
		s.put("a.ini", "1")
		ignored := func() string { return strings.Join(s.record(t, "a.ini").Ignored, " ") }
		second.Put(monitor.Text("a.ini", "2"))
		second.Put(monitor.Text("a.ini", "3"))
		synctest.Wait()
		if got := ignored(); got != "/a.ini" {
			t.Errorf("ignored is %q", got)
		}
		second.Remove("a.ini")
		synctest.Wait()
		s.expect(t, "launch a.ini#1 1")
		if got := ignored(); got != "" {
			t.Errorf("%q is gone, and ignored", got)
		}
		if n := strings.Count(s.log.String(), "there is another vassal of this name"); n != 1 {
			t.Errorf("the second is shown %d times:\n%s", n, s.log)
		}
		s.stop()
	})
}

// blindMonitor cannot take its first look.
type blindMonitor struct{}

func (blindMonitor) String() string { return "blind" }
func (blindMonitor) Run(context.Context, func(monitor.Set)) error {
	return errors.New("no such directory")
}

func TestMonitorThatCannotStartEndsTheEmperor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := Options{Monitors: []monitor.Monitor{blindMonitor{}}, Launcher: newWorld(), Concurrency: 1, Log: slog.New(slog.DiscardHandler)}
		if err := New(o).Run(t.Context()); err == nil || err.Error() != "no such directory" {
			t.Errorf("Run returned %v", err)
		}
	})
}

// Whatever files come and go and whatever vassals do, no vassal ever has two
// processes, the last configuration wins, and nothing is left at the end.
func TestRandomLife(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	words := []string{
		"", "crash", "mute", "stubborn", "sticky", "slow-launch", "no-launch", "slow-launch sticky", "refuse", "silent", "deaf", "bytes", "exile",
	}
	synctest.Test(t, func(t *testing.T) {
		s := play(t, func(o *Options) {
			o.ReloadTimeout, o.Compare = 5*time.Second, compareWords
		})
		last := map[string]string{}
		for i := range 2000 {
			name := fmt.Sprintf("%d.ini", random.IntN(5))
			switch random.IntN(4) {
			case 0:
				s.remove(name)
				delete(last, name)
			case 1:
				s.mu.Lock()
				if f := s.alive[name]; f != nil {
					f.end(killed)
				}
				s.mu.Unlock()
			default:
				last[name] = fmt.Sprintf("%d %s", i, words[random.IntN(len(words))])
				s.put(name, last[name])
			}
			pass(time.Duration(random.IntN(3000)) * time.Millisecond)
		}
		for name := range last {
			last[name] = "respawn final"
			s.put(name, last[name])
		}
		pass(3 * time.Minute)
		s.mu.Lock()
		for name, f := range s.alive {
			if last[name] != f.does {
				t.Errorf("seed %d: %s runs %q, want %q", seed, name, f.does, last[name])
			}
		}
		if len(s.alive) != len(last) {
			t.Errorf("seed %d: %d vassals run, want %d", seed, len(s.alive), len(last))
		}
		s.mu.Unlock()
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		if len(s.alive) > 0 || len(s.faults) > 0 {
			t.Errorf("seed %d: left %d, faults %s", seed, len(s.alive), strings.Join(slices.Compact(s.faults), "; "))
		}
	})
}

// A reload of all checks every configuration again: one whose templates have something
// else gets a new process, the others reload, and one that cannot be used any more runs
// on. Options that are taken over count for the next launch.
func TestReloadOfAllChecksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		template := "old"
		s := play(t, func(o *Options) {
			o.Check = func(c monitor.Config) (Facts, error) {
				switch {
				case c.Name == "plain.ini":
					return Facts{}, nil
				case c.Name == "broken.ini" && template == "new":
					return Facts{}, errors.New("the template is wrong")
				}
				return Facts{Templates: &wire.Templates{Set: [][]byte{[]byte(template)}}}, nil
			}
		})
		for _, name := range []string{"plain.ini", "broken.ini", "with.ini"} {
			s.put(name, "1")
		}
		s.expect(t, "launch plain.ini#1 1, launch broken.ini#1 1, launch with.ini#1 1")
		pass(time.Minute)
		template = "new"
		other := newWorld()
		o := s.emperor.options
		o.Launcher = other
		if err := s.emperor.Retune(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if err := s.emperor.DoAll(t.Context(), ReloadAll); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		got := strings.Split(s.since(), ", ") // the order among vassals is open
		slices.Sort(got)
		if want := []string{"clear with.ini#1", "dead with.ini#1 exit status 0", "reload plain.ini#1 1"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := other.since(); got != "launch with.ini#2 1" {
			t.Errorf("the other launcher: %s", got)
		}
		records, err := s.emperor.Records(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.State != Running || (r.Fault != "") != (r.Name == "broken.ini") {
				t.Errorf("%s is %s, fault %q", r.Name, r.State, r.Fault)
			}
		}
		s.stop()
	})
}
