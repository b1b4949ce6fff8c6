package workers

import (
	"errors"
	"os"
	"syscall"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// leader is a process that this one has started. It leads a session and a process group.
type leader struct {
	outlived bool // its group may outlive it: it puts a daemon into the background
	shell    bool // it is a shell with a script
	asked    bool // its group was asked to end
}

// graceful reports whether the group of a dead leader has time to end. A shell ends at the signal that
// the programs of its script get, too, and these may have work to finish.
//
// The shell could also wait for them behind a trap. But a shell with a trap loses signals: between the fork
// and the execution of a program its child has the handler of the trap, and does nothing there (in dash
// 0.5.12: onsig while vforked is set). The program would live on without the signal, and the shell would wait for it.
func (l *leader) graceful() bool { return l.shell && l.asked && !l.outlived }

// lead records a process that leads its group.
func (p *Processes) lead(pid int, l *leader) {
	if p.started == nil {
		p.started = map[int]*leader{}
	}
	p.started[pid] = l
}

// Signal implements System.
func (*Processes) Signal(pid int, s os.Signal) {
	if sig, ok := s.(syscall.Signal); ok {
		_ = syscall.Kill(pid, sig)
	}
}

// SignalGroup implements System.
func (p *Processes) SignalGroup(pid int, s os.Signal) {
	sig, ok := s.(syscall.Signal)
	if !ok || syscall.Kill(-pid, sig) == nil {
		return
	}
	if _, dead := p.exitedShells[pid]; !dead { // it may be a process that leads no group
		p.Signal(pid, s)
	}
}

// Ask implements System.
func (p *Processes) Ask(pid int, s os.Signal) {
	if l := p.started[pid]; l != nil {
		l.asked = true
	}
	p.SignalGroup(pid, s)
}

// Kill implements System. Each process leads a process group.
func (*Processes) Kill(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// Reap implements System. It also kills processes that a worker has left in its process group,
// while the pid still belongs to the worker. A group that has time to end keeps the pid.
func (p *Processes) Reap() (pid int, status namespaces.ExitStatus) {
	for {
		pid, err := namespaces.NextDead()
		if err != nil || pid == 0 {
			return p.reapGroup()
		}
		l := p.started[pid]
		if l != nil && !l.outlived && !l.graceful() {
			p.Kill(pid)
		}
		if status, err = wait(pid); err != nil {
			return 0, status
		}
		if p.sharing != nil && p.sharing.pid == pid {
			p.sharing.end()
			p.sharing = nil
		}
		if l != nil && l.graceful() && groupLives(pid) {
			if p.exitedShells == nil {
				p.exitedShells = map[int]namespaces.ExitStatus{}
			}
			p.exitedShells[pid] = status
			continue
		}
		delete(p.started, pid)
		return pid, status
	}
}

// reapGroup returns the leader of a group that has ended after it; zero: there is none.
func (p *Processes) reapGroup() (pid int, status namespaces.ExitStatus) {
	for pid, status := range p.exitedShells {
		if !groupLives(pid) {
			delete(p.exitedShells, pid)
			delete(p.started, pid)
			return pid, status
		}
	}
	return 0, status
}

// groupLives reports whether a process group has members. Zombies count.
func groupLives(pid int) bool { return !errors.Is(syscall.Kill(-pid, 0), syscall.ESRCH) }

// wait reaps a child that is dead.
func wait(pid int) (status namespaces.ExitStatus, err error) {
	var s syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &s, 0, nil); err != nil {
		return status, err
	}
	status.Code = s.ExitStatus()
	if s.Signaled() {
		status.Signal = s.Signal()
	}
	return status, nil
}
