package workers

import (
	"context"
	"fmt"
	"reflect"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/backoff"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// daemon is a program beside the workers.
type daemon struct {
	id      uint64
	spec    config.Daemon
	pid     int // zero while it does not run
	since   time.Time
	deaths  int
	restart time.Time // when it is started, or its pid file checked; zero: never
	waits   int       // seconds of waiting for its pid file
	killAt  time.Time
	killed  bool // because it did not end
	leaving bool // it is not started again
	fresh   bool // it is started when the ending ones are gone
	forget  context.CancelFunc
}

func (m *master) startDaemons() {
	for _, spec := range m.plan().Daemons {
		d := &daemon{spec: spec}
		m.daemons = append(m.daemons, d)
		m.startDaemon(d)
	}
}

// startDaemon starts a daemon, unless its pid file shows that it runs.
func (m *master) startDaemon(d *daemon) {
	d.restart = time.Time{}
	if d.spec.Pidfile != "" && m.adopt(d) {
		return
	}
	m.serial++
	d.id, d.since, d.waits = m.serial, time.Now(), 0
	spec := Spec{ID: d.id, Name: "daemon", Env: m.plan().Env, Dir: m.plan().Dir, Daemon: &d.spec, Shells: m.plan().Shells, Program: &Program{Args: d.spec.Command, Limits: m.plan().Limits}}
	pid, err := m.System.Start(spec, m.post)
	if err != nil {
		if d.spec.Control {
			m.fail(fmt.Errorf("control daemon: %w", err))
			return
		}
		m.Log.Error("cannot start the daemon", "command", d.spec.Text, "error", err)
		m.laterDaemon(d)
		return
	}
	m.Log.Info("daemon started", "pid", pid, "command", d.spec.Text)
	d.pid = pid
	if d.spec.Pidfile != "" { // pid is not the daemon's own
		d.restart = time.Now().Add(time.Second)
	}
}

// adopt finds a daemon by its pid file and watches it.
func (m *master) adopt(d *daemon) bool {
	m.serial++
	id := m.serial
	pid, forget := watchPidfile(d.spec.Pidfile, func() { m.post(Event{kind: gone, id: id}) })
	if pid == 0 {
		return false
	}
	if d.forget != nil {
		d.forget()
	}
	d.id, d.pid, d.forget = id, pid, forget
	m.Log.Info("daemon runs", "pid", pid, "command", d.spec.Text)
	return true
}

func (m *master) laterDaemon(d *daemon) {
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

func (m *master) daemonByID(id uint64) *daemon {
	for _, d := range m.daemons {
		if d.id == id {
			return d
		}
	}
	return nil
}

// daemonDied handles a dead child that is no worker. The child that has put a daemon into the
// background is not the daemon.
func (m *master) daemonDied(pid int, status namespaces.ExitStatus) {
	for _, d := range m.daemons {
		if d.pid == pid && d.spec.Pidfile == "" {
			if m.stopped && d.leaving {
				m.parted(status, d.signal(), d.killed)
			}
			m.lost(d, status.String())
			return
		}
	}
}

// daemonGone handles the end of a daemon that was found by its pid file.
func (m *master) daemonGone(id uint64) {
	if d := m.daemonByID(id); d != nil {
		m.lost(d, "unknown")
	}
}

func (m *master) lost(d *daemon, status string) {
	pid := d.pid
	d.pid, d.killAt = 0, time.Time{}
	if d.leaving {
		m.removeDaemon(d)
		return
	}
	m.Log.Warn("the daemon has ended", "pid", pid, "command", d.spec.Text, "exit", status)
	if d.spec.Control {
		m.fail(errControl)
		return
	}
	if !m.stopped {
		m.laterDaemon(d)
	}
}

// dueDaemons starts daemons that are due, checks late pid files, and kills daemons that do not
// end.
func (m *master) dueDaemons(now time.Time) {
	for _, d := range m.daemons {
		if passed(d.killAt, now) && d.pid > 0 {
			d.killed = true
			d.killAt = now.Add(time.Second)
			m.System.Kill(d.pid)
		}
		if m.stopped || d.leaving || !passed(d.restart, now) {
			continue
		}
		switch {
		case d.spec.Pidfile == "" || d.pid == 0:
			m.startDaemon(d)
		case m.adopt(d):
			d.restart = time.Time{}
		case d.waits >= d.spec.Freq:
			m.startDaemon(d)
		default:
			d.waits++
			d.restart = now.Add(time.Second)
		}
	}
}

// changeDaemons follows a reload. A daemon with a pid file survives it as long as it is
// configured, one with a reload signal gets that, and every other is replaced: its successor
// may need its resources, such as a port, and is therefore started when all ending ones are
// gone, as in uWSGI.
func (m *master) changeDaemons(before *Plan) {
	if before == m.plan() {
		return
	}
	left := m.daemons
	m.daemons = nil
	for _, spec := range m.plan().Daemons {
		if d := same(&left, spec); d != nil {
			m.daemons = append(m.daemons, d)
			if d.spec.Pidfile == "" && d.pid > 0 {
				m.System.SignalGroup(d.pid, d.spec.ReloadSignal)
			}
			continue
		}
		m.daemons = append(m.daemons, &daemon{spec: spec, fresh: true})
	}
	for _, d := range left {
		m.dismissDaemon(d)
		if d.pid > 0 && d.leaving {
			m.daemons = append(m.daemons, d)
		}
	}
	m.startFresh()
}

// startFresh starts the daemons of a reload once all ending ones are gone.
func (m *master) startFresh() {
	for _, d := range m.daemons {
		if d.leaving && d.pid > 0 {
			return
		}
	}
	for _, d := range m.daemons {
		if d.fresh && !m.stopped {
			d.fresh = false
			m.startDaemon(d)
		}
	}
	if m.asksDaemons() && (m.trial.before != nil || m.undoing != nil || !m.served) {
		m.tryDaemons()
	} else if m.undoing != nil {
		m.settle()
	}
}

// same takes the daemon that may stay unchanged out of a list.
func same(list *[]*daemon, spec config.Daemon) *daemon {
	for i, d := range *list {
		if reflect.DeepEqual(d.spec, spec) && (spec.Pidfile != "" || spec.ReloadSignal != 0) && !d.leaving {
			*list = append((*list)[:i:i], (*list)[i+1:]...)
			return d
		}
	}
	return nil
}

func (m *master) touchDaemons(name string) {
	for _, d := range m.daemons {
		if contains(d.spec.Touch, name) && d.pid > 0 {
			m.System.SignalGroup(d.pid, d.signal())
			d.deaths = 0
		}
	}
}

// signal returns the signal that ends a daemon. The first process of a pid namespace gets no
// signal that it does not handle (pid_namespaces(7)), so uWSGI kills it.
func (d *daemon) signal() syscall.Signal {
	switch {
	case d.spec.StopSignal != 0:
		return d.spec.StopSignal
	case d.spec.NewPID:
		return syscall.SIGKILL
	}
	return syscall.SIGTERM
}

// dismissDaemon ends a daemon; one with a pid file survives.
func (m *master) dismissDaemon(d *daemon) {
	if d.forget != nil {
		d.forget()
		d.forget = nil
	}
	d.restart = time.Time{}
	switch {
	case d.leaving: // it is ending already
		return
	case d.spec.Pidfile != "":
		d.pid = 0
		return
	}
	d.leaving = true
	if d.pid > 0 {
		m.System.SignalGroup(d.pid, d.signal())
		d.killAt = time.Now().Add(m.plan().mercy())
	}
}

func (m *master) stopDaemons() {
	for _, d := range m.daemons {
		m.dismissDaemon(d)
	}
}

func (m *master) daemonsGone() bool {
	for _, d := range m.daemons {
		if d.pid > 0 {
			return false
		}
	}
	return true
}

func (m *master) removeDaemon(gone *daemon) {
	for i, d := range m.daemons {
		if d == gone {
			m.daemons = append(m.daemons[:i:i], m.daemons[i+1:]...)
			break
		}
	}
	m.startFresh()
}
