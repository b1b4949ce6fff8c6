package workers

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/backoff"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// daemonState is the state of a daemon.
type daemonState int

const (
	// daemonWanted: the daemon is started whenever it does not run.
	daemonWanted daemonState = iota
	// daemonHeld: the daemon is started when all ending daemons are gone.
	daemonHeld
	// daemonLeaving: the daemon was asked to stop and is not started again.
	daemonLeaving
	// daemonKilled: the daemon did not stop in time.
	daemonKilled
)

// daemon is a program that runs next to the workers.
type daemon struct {
	id      uint64
	spec    config.Daemon
	state   daemonState
	pid     int // zero while it does not run
	since   time.Time
	deaths  int
	restart time.Time // the time of its start, or of the next check of its pid file; zero: none
	waits   int       // seconds spent waiting for its pid file
	killAt  time.Time
	forget  context.CancelFunc // ends the watch of an adopted process; nil: none
}

// ending reports whether the daemon was asked to stop and still lives.
func (d *daemon) ending() bool { return d.state >= daemonLeaving && d.pid > 0 }

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

// begin starts the daemons of the first plan.
func (ds *daemons) begin() {
	for _, spec := range ds.plan.Daemons {
		d := &daemon{spec: spec}
		ds.list = append(ds.list, d)
		ds.start(d)
	}
}

// start starts a daemon, unless its pid file shows that it runs.
func (ds *daemons) start(d *daemon) {
	d.restart = time.Time{}
	if d.spec.Pidfile != "" && ds.adopt(d) {
		return
	}
	d.id, d.since, d.waits = ds.nextID(), time.Now(), 0
	p := ds.plan
	spec := Spec{ID: d.id, Name: "daemon", Env: p.Env, Dir: p.Dir, Daemon: &d.spec, Shells: p.Shells, Program: &Program{Args: d.spec.Command, Limits: p.Limits}}
	pid, err := ds.system.Start(spec, ds.post)
	if err != nil {
		if d.spec.Control {
			ds.fail(fmt.Errorf("control daemon: %w", err))
			return
		}
		ds.log.Error("cannot start the daemon", "command", d.spec.Text, "error", err)
		d.restartLater()
		return
	}
	ds.log.Info("daemon started", "pid", pid, "command", d.spec.Text)
	d.pid = pid
	if d.spec.Pidfile != "" { // pid is not the daemon's
		d.restart = time.Now().Add(time.Second)
	}
}

// adopt finds a daemon by its pid file and watches it.
func (ds *daemons) adopt(d *daemon) bool {
	id := ds.nextID()
	pid, forget := watchPidfile(d.spec.Pidfile, func() { ds.post(daemonGone{id}) })
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

// restartLater sets the time of the next start after the daemon has died.
func (d *daemon) restartLater() {
	if time.Since(d.since) >= restartReset {
		d.deaths = 0
	}
	wait := backoff.Wait(restartFirst, restartMax, d.deaths+1)
	if d.spec.MaxPause > 0 {
		wait = min(wait, d.spec.MaxPause)
	}
	d.restart = time.Now().Add(wait)
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
			if ds.stopped && d.state >= daemonLeaving {
				ds.worst.add(status, d.signal(), d.state == daemonKilled)
			}
			ds.lost(d, status.String())
			return
		}
	}
}

// lostByID handles the death of a daemon that its pid file has named.
func (ds *daemons) lostByID(id uint64) {
	if d := ds.byID(id); d != nil {
		ds.lost(d, "unknown")
	}
}

func (ds *daemons) lost(d *daemon, status string) {
	pid := d.pid
	d.pid, d.killAt = 0, time.Time{}
	if d.state >= daemonLeaving {
		ds.remove(d)
		return
	}
	ds.log.Warn("the daemon has ended", "pid", pid, "command", d.spec.Text, "exit", status)
	if d.spec.Control {
		ds.fail(errControl)
		return
	}
	if !ds.stopped {
		d.restartLater()
	}
}

// due starts the daemons whose time has come, checks late pid files, and kills daemons that did
// not stop.
func (ds *daemons) due(now time.Time) {
	for _, d := range ds.list {
		if passed(d.killAt, now) && d.pid > 0 {
			d.state = daemonKilled
			d.killAt = now.Add(time.Second)
			ds.system.Kill(d.pid)
		}
		if ds.stopped || d.state >= daemonLeaving || !passed(d.restart, now) {
			continue
		}
		switch {
		case d.spec.Pidfile == "" || d.pid == 0:
			ds.start(d)
		case ds.adopt(d):
			d.restart = time.Time{}
		case d.waits >= d.spec.Freq:
			ds.start(d)
		default:
			d.waits++
			d.restart = now.Add(time.Second)
		}
	}
}

// times returns the times at which due must run.
func (ds *daemons) times() (times []time.Time) {
	for _, d := range ds.list {
		times = append(times, d.restart, d.killAt)
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
		if d := same(&left, spec); d != nil {
			ds.list = append(ds.list, d)
			if d.spec.Pidfile == "" && d.pid > 0 {
				ds.system.SignalGroup(d.pid, d.spec.ReloadSignal)
			}
			continue
		}
		ds.list = append(ds.list, &daemon{spec: spec, state: daemonHeld})
	}
	for _, d := range left {
		ds.dismiss(d)
		if d.ending() {
			ds.list = append(ds.list, d)
		}
	}
	ds.startHeld()
}

// startHeld starts the daemons of a reload when all ending daemons are gone.
func (ds *daemons) startHeld() {
	if slices.ContainsFunc(ds.list, (*daemon).ending) {
		return
	}
	for _, d := range ds.list {
		if d.state == daemonHeld && !ds.stopped {
			d.state = daemonWanted
			ds.start(d)
		}
	}
	ds.vacated()
}

// same removes the daemon that may stay unchanged from a list, and returns it.
func same(list *[]*daemon, spec config.Daemon) *daemon {
	for i, d := range *list {
		if reflect.DeepEqual(d.spec, spec) && (spec.Pidfile != "" || spec.ReloadSignal != 0) && d.state < daemonLeaving {
			*list = append((*list)[:i:i], (*list)[i+1:]...)
			return d
		}
	}
	return nil
}

// touch restarts the daemons that depend on a file.
func (ds *daemons) touch(name string) {
	for _, d := range ds.list {
		if slices.Contains(d.spec.Touch, name) && d.pid > 0 {
			ds.system.SignalGroup(d.pid, d.signal())
			d.deaths = 0
		}
	}
}

// signalReload sends their reload signal to daemons that have one.
func (ds *daemons) signalReload() {
	for _, d := range ds.list {
		if d.pid > 0 && d.spec.Pidfile == "" && d.spec.ReloadSignal != 0 && d.state < daemonLeaving {
			ds.system.SignalGroup(d.pid, d.spec.ReloadSignal)
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

// dismiss stops a daemon. A daemon with a pid file survives.
func (ds *daemons) dismiss(d *daemon) {
	if d.forget != nil {
		d.forget()
		d.forget = nil
	}
	d.restart = time.Time{}
	switch {
	case d.state >= daemonLeaving: // it is already ending
		return
	case d.spec.Pidfile != "":
		d.pid = 0
		return
	}
	d.state = daemonLeaving
	if d.pid > 0 {
		ds.system.SignalGroup(d.pid, d.signal())
		d.killAt = time.Now().Add(ds.plan.mercy())
	}
}

// stop stops all daemons.
func (ds *daemons) stop() {
	for _, d := range ds.list {
		ds.dismiss(d)
	}
}

// gone reports whether no daemon runs.
func (ds *daemons) gone() bool {
	return !slices.ContainsFunc(ds.list, func(d *daemon) bool { return d.pid > 0 })
}

func (ds *daemons) remove(gone *daemon) {
	ds.list = slices.DeleteFunc(slices.Clone(ds.list), func(d *daemon) bool { return d == gone })
	ds.startHeld()
}
