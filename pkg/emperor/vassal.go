package emperor

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/timers"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// vassal is a record of the loop. Only the loop touches it.
type vassal struct {
	*mailbox
	feed   *feed
	log    *slog.Logger
	name   string
	file   origin
	parent *vassal      // of a zerg
	zergs  zergFailures // its own zergs

	state State
	since time.Time   // when it entered the state
	timer *time.Timer // of the state
	alarm uint64      // identifies the timer's event; older ones are void

	wish      wish
	outcome   outcome
	run       run
	demand    demand
	history   history
	noteLimit noteLimit
}

// origin is the file that a vassal comes from.
type origin struct {
	source     int            // index of its monitor
	entry      monitor.Entry  // its place
	owner      owner          // if that decides
	duplicates map[string]int // ignored paths, each with its monitor
}

// noPlan is the configuration of a vassal that has none.
var noPlan = &Plan{}

// wish is the desired state.
type wish struct {
	wanted     *Plan     // the last usable configuration; nil: none yet
	withdrawn  bool      // it must be removed
	returned   bool      // its file was gone, and it has had no process since
	held       bool      // the operator stopped it, or has not started it
	apart      string    // why it cannot have the network of another vassal now; empty: it can, or has its own
	fault      string    // the error in the newest configuration
	faultSince time.Time // when that began
}

// outcome is the result of earlier generations, on which the next one depends.
type outcome struct {
	rest     restReason
	failed   bool            // the generation ended unasked
	failures int             // generations in a row that failed
	renews   bool            // it announced that it exits to be launched again
	renewed  time.Time       // when it was last launched at once for that
	refused  monitor.Version // of the wanted configuration, which was tried in vain
	proven   *Plan           // the last one that was ready when its process ended; nil: none, or not needed any more
	churn    churn
	paused   *pausedChange // a change of its file that waits; nil: none
	gapFrom  time.Time     // when a change has left it without a process; zero: it has not
}

// run is the current launch, and its process.
type run struct {
	generation     uint64
	config         *Plan  // in effect; noPlan: none yet
	serial         uint64 // of the last order
	ordered        *Plan  // the configuration of the last reload; noPlan: none
	answer         reloadAnswer
	reloads        int // taken
	process        Process
	kept           namespaces.Sockets // of the generation before, between two
	cancel         context.CancelCauseFunc
	adjusting      bool       // its limits or its network are being changed
	adjustment     adjustment // the last such change
	heartbeatTimer *time.Timer
}

// demand is the state of a vassal that may be on demand.
type demand struct {
	activation Activation // nil: it is not, or the socket is not bound yet
	socket     socketState
	bindError  error  // of its last bind, or of the wait
	watch      uint64 // identifies the wait for a connection
	unwatch    context.CancelFunc
	edited     bool // its configuration has changed while it waited
}

// moments are the times of the last events, for people; zero: none.
type moments struct {
	exited                   time.Time
	firstRun, lastRun        time.Time // when a process got its order
	ready, accepting, loyal  time.Time // of this generation
	lastAccepting, lastLoyal time.Time // of any
	heartbeat, reloaded      time.Time
}

// networkLoss is when and why a vassal has lost its network; zero: it has not.
type networkLoss struct {
	cutOff    time.Time
	cutReason string
}

// insides are the facts that the process of a vassal has reported about itself; zero: nothing.
type insides struct {
	usesOrders bool           // it answers on the order channel
	program    int            // the child that it supervises, in its own pid namespace; zero: none
	landlocks  wire.Landlocks // that restrict it
}

// lastReload is the result of a vassal's last reload; zero: there was none, or it succeeded without a gap.
type lastReload struct {
	err    string        // of the failed one; empty: it did not fail
	own    bool          // the failed one had no order
	undone bool          // its workers had been ended for the failed one, and were started again
	gap    time.Duration // without workers
	waited bool          // connections waited: it, or the launch, found the sockets open
}

// history is the information about a vassal for people and programs; no decision depends on
// it.
type history struct {
	at         moments
	inside     insides
	loss       networkLoss
	cause      error         // of the last failed launch
	exit       *Exit         // of the last process
	pause      time.Duration // after a failure, and when it ends:
	pauseUntil time.Time
	reload     lastReload
	status     string
	phase      string        // its own report by sd_notify(3), beside its state
	waitsFor   string        // while it launches, boots or ends; empty: not known
	mercy      time.Duration // that the program in its place has requested; zero: none
	deaths     wire.Deaths
	listening  []string // addresses of its fallback; nil: not known
	fallback   string   // that it runs on, with the reason; empty: none
	launches   int
	hookRuns   []HookRun // the newest last
}

// input looks up the transition, moves the vassal and carries out the effects: the ones of its passages first,
// then its own. It reports whether the table has a transition. No other function carries out an effect.
func (e *Emperor) input(v *vassal, in Input) bool {
	was := v.state
	next, do, listed := step(was, in)
	resolve := func(f func(action)) {
		for i := range passages {
			if p := &passages[i]; p.has(was, next) {
				f(e.actions[p.effect])
			}
		}
		f(e.actions[do])
	}
	resolve(func(a action) {
		if a.record != nil {
			a.record(&e.options, v)
		}
	})
	if next != was {
		v.move(next, &e.options)
	}
	resolve(func(a action) {
		if a.act != nil {
			a.act(e, v)
		}
	})
	return listed
}

// takes reports whether the input has an effect on the vassal now.
func (v *vassal) takes(in Input) bool {
	_, _, listed := step(v.state, in)
	return listed
}

// move is the only place where a state is assigned. The timer of the state before ends.
func (v *vassal) move(next State, o *Options) {
	was := v.state
	logTransition(o, v, next)
	v.state, v.since = next, time.Now()
	v.disarm()
	v.feed.publish(v, was, o)
}

// living returns the process. Nil: none is known to live.
func (v *vassal) living() Process {
	if v.run.process == nil || !v.state.in(alive) {
		return nil
	}
	return v.run.process
}

// occupied returns the configuration of the process that exists, or may exist. Nil: there is none.
func (v *vassal) occupied() *Plan {
	if v.state.in(withProcess) {
		return v.run.config
	}
	return nil
}

// pid is the id of the vassal's process. Zero: none lives.
func (v *vassal) pid() int {
	if p := v.living(); p != nil {
		return p.PID()
	}
	return 0
}

// setFault records the error in the newest configuration and logs it once.
func (v *vassal) setFault(err error) {
	if err == nil {
		if v.wish.fault != "" && v.wish.fault != monitor.ErrReading.Error() {
			v.note(AboutConfig, "it can be used again")
		}
		v.wish.fault, v.wish.faultSince = "", time.Time{}
		return
	}
	if v.wish.fault == err.Error() {
		return
	}
	if v.wish.fault == "" {
		v.wish.faultSince = time.Now()
	}
	v.wish.fault = err.Error()
	if errors.Is(err, monitor.ErrReading) {
		v.log.Info("its file is still being read")
		return
	}
	text := "cannot use its configuration"
	if v.occupied() != nil {
		text = "cannot use its new configuration; the old one keeps running"
	}
	for mistake := range strings.SplitSeq(v.wish.fault, "\n") { // the cause first, each on a line
		v.note(AboutConfig, "it cannot be used: %s", mistake)
		v.log.Error(text, "error", mistake)
		text = "another mistake"
	}
}

// arm makes the input Due come after d, unless the state changes before.
func (v *vassal) arm(d time.Duration) {
	v.disarm()
	alarm := v.alarm
	v.timer = timers.AfterFunc(d, func() { v.post(due{v, alarm}) })
}

func (v *vassal) disarm() {
	v.alarm++
	if v.timer != nil {
		v.timer.Stop()
	}
}
