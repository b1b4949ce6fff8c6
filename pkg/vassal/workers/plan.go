package workers

import (
	"os"
	"slices"
	"time"

	"github.com/emperor-go/emperor/internal/pty"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/config/serving"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// Plan is a configuration for a master.
type Plan struct {
	// Program is the program of a worker; nil: there are no workers.
	Program *Program
	// Front is one more worker, between clients and the program; nil: there is none.
	Front *Front
	// Sockets are handed to workers: one list for all, or one for each.
	Sockets [][]*sockets.Socket
	// Env is the environment of workers and daemons, without what Start adds.
	Env []string
	// Dir is their working directory.
	Dir string

	// Terminal is the terminal of the first worker; nil: it has none.
	Terminal *Terminal

	Workers config.Workers
	// StopFirst: a reload ends the old workers before it starts new ones. Never set where
	// there are none.
	StopFirst bool
	// Proof is how long a worker of a reload must live after its readiness for that to
	// count. Zero: readiness counts at once.
	Proof time.Duration

	Mercy    time.Duration
	Ready    config.Readiness
	Triggers config.Triggers
	Idle     config.Idleness
	Daemons  []config.Daemon
	// Limits of all programs but the built-in server.
	Limits config.Limits
	// Shells run the scripts of daemons.
	Shells []string

	// Hooks are the hooks of the master's phases. RunHooks returns a function that runs the
	// ones of a phase, for a file where the phase has one. That function may block: it is
	// called later, from a goroutine of its own.
	Hooks    hooks.Set
	RunHooks func(p hooks.Phase, file string) func() error

	Candidate
}

// Candidate is the part of a plan that counts until its reload is over.
type Candidate struct {
	// Unchanged: the plan means the same as the one in effect.
	Unchanged bool
	// Commit puts the plan into effect: it closes all resources that only the plan before needed.
	// Discard closes the resources that were made for the plan alone. Either is called once; nil
	// does nothing.
	Commit, Discard func()
}

// commit calls Commit.
func (c *Candidate) commit() {
	if c.Commit != nil {
		c.Commit()
	}
}

// discard calls Discard.
func (c *Candidate) discard() {
	if c.Discard != nil {
		c.Discard()
	}
}

// Program is the program of a worker.
type Program struct {
	// Path and Args, with the name, of the program.
	Path string
	Args []string
	// Stdin: the first socket is standard input, not one of LISTEN_FDS.
	Stdin bool
	// Server are the options of the built-in server; nil for any other program.
	Server *serving.Options
	// PostFork are the hooks that run in the worker before the program.
	PostFork []hooks.Hook
	// HookTimeout limits each of them, and Shells run their commands.
	HookTimeout time.Duration
	Shells      []string
	// Notices is a descriptor of the channel to the emperor, which receives their results. It
	// stays the caller's. Zero: none.
	Notices int
	// Libraries are the C libraries for PostFork.
	Libraries hooks.Libraries
	// Limits of the program.
	Limits config.Limits
}

// Front is the built-in server before a program of the operator. No hook runs in it or for it,
// and no signal for workers reaches it.
type Front struct {
	// Program is that server.
	Program *Program
	// Sockets are the sockets for clients. Behind has for each the target of the requests that the
	// server does not answer.
	Sockets []*sockets.Socket
	Behind  []Behind
}

// Behind is a target of requests. The zero value is none.
type Behind struct {
	// Protocol is http or uwsgi.
	Protocol string
	// Socket is where the program listens.
	Socket *sockets.Socket
}

// Terminal is a pseudoterminal that a program of its own shares with clients.
type Terminal struct {
	// Path is that program.
	Path string
	// Socket is where clients come.
	Socket *sockets.Socket
	// Options are for the program.
	Options pty.Options
}

// Spec is a process to start.
type Spec struct {
	// ID is what its events carry. Never zero.
	ID uint64
	// Name is for logs.
	Name    string
	Program *Program
	Sockets []*sockets.Socket
	// Behind belongs to the sockets of Front.
	Behind []Behind
	Env    []string
	Dir    string
	// Terminal is what a worker runs on; nil: nothing.
	Terminal *Terminal
	// Daemon says how a daemon is different; nil for a worker. Shells are for its
	// script.
	Daemon *config.Daemon
	Shells []string
}

// HasHooks reports whether a phase has any.
func (p *Plan) HasHooks(phase hooks.Phase) bool { return len(p.Hooks[phase]) > 0 }

// size is how many workers there are to be.
func (p *Plan) size() int {
	if p.Program == nil {
		return 0
	}
	n := p.Workers.Processes
	if p.Front != nil {
		n++
	}
	return n
}

// isFront reports whether a slot belongs to the server before the program: the last one.
func (p *Plan) isFront(slot int) bool { return p.Front != nil && slot == p.Workers.Processes }

// programOf returns the program of the worker in a slot.
func (p *Plan) programOf(slot int) *Program {
	if p.isFront(slot) {
		return p.Front.Program
	}
	return p.Program
}

// socketsOf returns the sockets of the worker in a slot.
func (p *Plan) socketsOf(slot int) []*sockets.Socket {
	if p.isFront(slot) {
		return p.Front.Sockets
	}
	if len(p.Sockets) == 0 {
		return nil
	}
	return p.Sockets[slot%len(p.Sockets)]
}

// AllSockets returns the sockets of all workers, each once.
func (p *Plan) AllSockets() (all []*sockets.Socket) {
	sets := p.Sockets
	if p.Front != nil {
		sets = append(slices.Clone(sets), p.Front.Sockets)
	}
	for _, set := range sets {
		for _, s := range set {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// mercy is the time between asking a worker to stop and killing it.
func (p *Plan) mercy() time.Duration {
	if p.Workers.Mercy > 0 {
		return p.Workers.Mercy
	}
	return p.Mercy
}

// behind reports whether a probe of the worker in a slot reaches the built-in server first,
// and returns the way to the program behind it; nil: there is none.
func (p *Plan) behind(slot int) (own bool, door *os.File) {
	if p.Front == nil {
		program := p.programOf(slot)
		return program != nil && program.Server != nil, nil
	}
	for _, b := range p.Front.Behind {
		if b.Socket != nil && b.Socket.Door() != nil {
			return true, b.Socket.Door()
		}
	}
	return false, nil
}

// asks reports whether it takes more than to run for the worker in a slot to be ready.
func (p *Plan) asks(slot int) bool { return p.notifies(slot) || p.probes(slot) }

// probes reports whether the worker in a slot is ready only when a probe was answered.
func (p *Plan) probes(slot int) bool { return p.Ready.Probe.Kind != "" && !p.isFront(slot) }

// notifies reports whether the worker in a slot says itself when it is ready.
func (p *Plan) notifies(slot int) bool {
	program := p.programOf(slot)
	return p.Ready.Notify || program != nil && program.Server != nil
}
