package workers

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/backoff"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// daemon is a program that runs next to the workers.
type daemon struct {
	id     uint64
	spec   config.Daemon
	state  daemonState // assigned by step
	pid    int         // zero while it does not run
	since  time.Time
	deaths int
	due    time.Time          // the end of the time of its state; zero: no limit
	waits  int                // seconds spent waiting for its pid file
	forget context.CancelFunc // ends the watch of an adopted process; nil: none
}

// daemonEnd is the end of a daemon: its exit, or the reason why it cannot be started.
type daemonEnd struct {
	exit   string
	status namespaces.ExitStatus
	err    error // of a control daemon: the result of Run
}

// daemons are the daemons of a master, and their probe when there are no workers.
type daemons struct {
	*base
	list    []*daemon
	fail    func(error) // ends the vassal
	worst   *worstEnd
	vacated func() // called when the last ending daemon is gone

	probing context.CancelFunc // nil: no probe runs
	passed  *Plan              // the plan whose probe was answered last; nil: none
	why     string             // the error of the last attempt; empty: none
}

// has reports whether a process is a daemon.
func (ds *daemons) has(pid int) bool {
	return slices.ContainsFunc(ds.list, func(d *daemon) bool { return d.pid == pid })
}

// ending reports whether a daemon was asked to stop and still lives.
func (ds *daemons) ending() bool {
	return slices.ContainsFunc(ds.list, func(d *daemon) bool { return d.state.ending() })
}

// step applies an input to a daemon. No other function assigns the state of a daemon.
func (ds *daemons) step(d *daemon, in daemonInput, end daemonEnd) {
	from := d.state
	next, do := stepDaemon(from, in)
	if next != from {
		d.due = time.Time{}
	}
	d.state = next
	switch do {
	case doLaunch:
		ds.launch(d)
	case doAwaitPidfile:
		d.due = time.Now().Add(time.Second)
	case doSearch:
		ds.search(d)
	case doInterrupt:
		ds.system.Ask(d.pid, d.signal())
		d.deaths = 0
	case doHangUp:
		if d.spec.ReloadSignal != 0 {
			ds.system.SignalGroup(d.pid, d.spec.ReloadSignal)
		}
	case doNoteRefusal:
		ds.noteRefusal(d, end.err)
	case doNoteExit:
		ds.log.Warn("the daemon has ended", "pid", d.pid, "command", d.spec.Text, "exit", end.exit)
		ds.assess(d, errControl)
	case doPause:
		d.pause()
	case doFailVassal:
		ds.drop(d)
		ds.fail(end.err)
	case doTerminate:
		ds.system.Ask(d.pid, d.signal())
		d.due = time.Now().Add(ds.plan.mercy())
	case doDestroy:
		d.due = time.Now().Add(time.Second)
		ds.system.Kill(d.pid)
	case doRelease:
		ds.drop(d)
	case doRemove:
		if ds.stopped {
			ds.worst.add(end.status, d.signal(), from.killed())
		}
		ds.drop(d)
		ds.startHeld()
	}
}

// tell applies an input to all daemons.
func (ds *daemons) tell(in daemonInput) {
	for _, d := range slices.Clone(ds.list) {
		ds.step(d, in, daemonEnd{})
	}
}

// begin starts the daemons of the first plan.
func (ds *daemons) begin() {
	for _, spec := range ds.plan.Daemons {
		ds.list = append(ds.list, &daemon{spec: spec, state: daemonHeld})
	}
	ds.tell(daemonFree)
}

// launch starts a daemon, unless its pid file shows that it runs.
func (ds *daemons) launch(d *daemon) {
	if ds.adopt(d) {
		ds.step(d, daemonFound, daemonEnd{})
		return
	}
	d.id, d.since, d.waits = ds.nextID(), time.Now(), 0
	p := ds.plan
	program := &Program{Args: d.spec.Command, Limits: p.Limits}
	pid, err := ds.system.Start(Spec{ID: d.id, Name: "daemon", Env: p.Env, Dir: p.Dir, Daemon: &d.spec, Shells: p.Shells, Program: program}, ds.post)
	if err != nil {
		ds.step(d, daemonRefused, daemonEnd{err: err})
		return
	}
	ds.log.Info("daemon started", "pid", pid, "command", d.spec.Text)
	d.pid = pid
	if d.spec.Pidfile != "" { // pid is not the daemon's
		ds.step(d, daemonLaunched, daemonEnd{})
		return
	}
	ds.step(d, daemonStarted, daemonEnd{})
}

// search reads the pid file of a daemon that was put into the background.
func (ds *daemons) search(d *daemon) {
	switch {
	case ds.adopt(d):
		ds.step(d, daemonFound, daemonEnd{})
	case d.waits >= d.spec.Freq:
		ds.step(d, daemonLate, daemonEnd{})
	default:
		d.waits++
		ds.step(d, daemonEarly, daemonEnd{})
	}
}

// adopt finds a daemon by its pid file, if it has one, and watches it.
func (ds *daemons) adopt(d *daemon) bool {
	if d.spec.Pidfile == "" {
		return false
	}
	id := ds.nextID()
	pid, forget := watchPidfile(d.spec.Pidfile, func() { ds.post(daemonLost{id}) })
	if pid == 0 {
		return false
	}
	if d.forget != nil {
		d.forget()
	}
	d.id, d.pid, d.forget = id, pid, forget
	ds.log.Info("daemon runs", "pid", pid, "command", d.spec.Text)
	return true
}

// noteRefusal handles a daemon that cannot be started.
func (ds *daemons) noteRefusal(d *daemon, err error) {
	if !d.spec.Control {
		ds.log.Error("cannot start the daemon", "command", d.spec.Text, "error", err)
	}
	ds.assess(d, fmt.Errorf("control daemon: %w", err))
}

// assess looks up the consequence of the end of a daemon. err is the result of Run after the end of a
// control daemon.
func (ds *daemons) assess(d *daemon, err error) {
	d.pid = 0
	in := daemonSpared
	if d.spec.Control {
		in = daemonFatal
	}
	ds.step(d, in, daemonEnd{err: err})
}

// errControl is the result of Run after the end of a control daemon.
var errControl = errors.New("a control daemon has ended")

// pause sets the time of the next start of a daemon that does not run.
func (d *daemon) pause() {
	if time.Since(d.since) >= restartReset {
		d.deaths = 0
	}
	wait := backoff.Wait(restartFirst, restartMax, d.deaths+1)
	if d.spec.MaxPause > 0 {
		wait = min(wait, d.spec.MaxPause)
	}
	d.due = time.Now().Add(wait)
	d.deaths++
}

func (ds *daemons) byID(id uint64) *daemon {
	for _, d := range ds.list {
		if d.id == id {
			return d
		}
	}
	return nil
}

// refused handles a process whose program cannot be run, and reports whether it is a daemon. The
// event of its death follows.
func (ds *daemons) refused(id uint64, err error) bool {
	d := ds.byID(id)
	if d != nil {
		ds.log.Error("cannot start the daemon", "command", d.spec.Text, "error", err)
	}
	return d != nil
}

// exited handles the death of a child that is not a worker. A child that has put a daemon into
// the background is not the daemon.
func (ds *daemons) exited(pid int, status namespaces.ExitStatus) {
	for _, d := range ds.list {
		if d.pid == pid && d.spec.Pidfile == "" {
			ds.step(d, daemonExited, daemonEnd{exit: status.String(), status: status})
			return
		}
	}
}

// lostByID handles the death of a daemon that its pid file has named.
func (ds *daemons) lostByID(id uint64) {
	if d := ds.byID(id); d != nil {
		ds.step(d, daemonExited, daemonEnd{exit: "unknown"})
	}
}

// due handles the daemons whose time has come, and reports whether there were any.
func (ds *daemons) due(now time.Time) (some bool) {
	for _, d := range slices.Clone(ds.list) {
		if passed(d.due, now) {
			some = true
			ds.step(d, daemonDue, daemonEnd{})
		}
	}
	return some
}

// times returns the times at which due must run.
func (ds *daemons) times() (times []time.Time) {
	for _, d := range ds.list {
		times = append(times, d.due)
	}
	return times
}

// change applies a reload to the daemons. A daemon with a pid file survives while it is
// configured. A daemon with a reload signal gets the signal. Every other daemon is replaced. Its
// successor may need the same resource, such as a port, and therefore starts when all ending
// daemons are gone, as in uWSGI.
func (ds *daemons) change(before *Plan) {
	if before == ds.plan {
		return
	}
	left := ds.list
	ds.list = nil
	for _, spec := range ds.plan.Daemons {
		d := same(&left, spec)
		if d == nil {
			d = &daemon{spec: spec, state: daemonHeld}
		}
		ds.list = append(ds.list, d)
		ds.step(d, daemonReread, daemonEnd{})
	}
	ds.list = append(ds.list, left...)
	for _, d := range left {
		ds.step(d, daemonDismissed, daemonEnd{})
	}
	ds.startHeld()
}

// startHeld starts the daemons of a reload when all ending daemons are gone.
func (ds *daemons) startHeld() {
	if !ds.ending() {
		ds.tell(daemonFree)
		ds.vacated()
	}
}

// same removes the daemon that may stay unchanged from a list, and returns it. Nil: there is none.
func same(list *[]*daemon, spec config.Daemon) *daemon {
	for i, d := range *list {
		if reflect.DeepEqual(d.spec, spec) && (spec.Pidfile != "" || spec.ReloadSignal != 0) && !d.state.ending() {
			*list = append((*list)[:i:i], (*list)[i+1:]...)
			return d
		}
	}
	return nil
}

// touch restarts the daemons that depend on a file.
func (ds *daemons) touch(name string) {
	for _, d := range ds.list {
		if slices.Contains(d.spec.Touch, name) {
			ds.step(d, daemonTouched, daemonEnd{})
		}
	}
}

// signal returns the signal that stops a daemon. The first process of a pid namespace gets only
// signals that it handles (pid_namespaces(7)), so uWSGI kills it.
func (d *daemon) signal() syscall.Signal {
	switch {
	case d.spec.StopSignal != 0:
		return d.spec.StopSignal
	case d.spec.NewPID:
		return syscall.SIGKILL
	}
	return syscall.SIGTERM
}

// stop stops all daemons. A daemon with a pid file survives.
func (ds *daemons) stop() { ds.tell(daemonDismissed) }

// drop drops the record of a daemon.
func (ds *daemons) drop(gone *daemon) {
	if gone.forget != nil {
		gone.forget()
		gone.forget = nil
	}
	ds.list = slices.DeleteFunc(slices.Clone(ds.list), func(d *daemon) bool { return d == gone })
}
