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
	// Program is the program of each worker; nil: the vassal has no workers.
	Program *Program
	// Front is one more worker, between clients and the program; nil: none.
	Front *Front
	// Sockets are passed to workers: one list for all, or one list for each.
	Sockets [][]*sockets.Socket
	// Env is the environment of workers and daemons. Start adds to it.
	Env []string
	// Dir is the working directory of workers and daemons.
	Dir string

	// Terminal is the terminal of the first worker; nil: none.
	Terminal *Terminal

	Workers config.Workers
	// StopFirst makes a reload stop the old workers before it starts new ones. It is never set
	// without workers.
	StopFirst bool
	// Proof is the time that a worker of a reload must live after its readiness before the reload
	// succeeds. Zero: none.
	Proof time.Duration

	Mercy    time.Duration
	Ready    config.Readiness
	Triggers config.Triggers
	Idle     config.Idleness
	Daemons  []config.Daemon
	// Limits apply to all programs except the built-in server.
	Limits config.Limits
	// Shells run the scripts of daemons.
	Shells []string

	// Hooks are the hooks of the master's phases. RunHooks returns a function that runs the hooks
	// of a phase; file is the file of phases that have one. The function may block: a goroutine
	// calls it later.
	Hooks    hooks.Set
	RunHooks func(p hooks.Phase, file string) func() error

	Candidate Candidate
}

// Candidate is the part of a plan that is used only until its reload has ended.
type Candidate struct {
	// Unchanged: the plan is equivalent to the one in effect.
	Unchanged bool
	// Commit puts the plan into effect: it closes resources that only the previous plan needed.
	// Discard closes resources that were made for this plan. One of the two is called, once; nil
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
	// Path of the program, and Args with its name.
	Path string
	Args []string
	// Stdin passes the first socket as standard input instead of in LISTEN_FDS.
	Stdin bool
	// Server has the options of the built-in server; nil for any other program.
	Server *serving.Options
	// PostFork are hooks that run in the worker before the program.
	PostFork []hooks.Hook
	// HookTimeout limits each hook. Shells run commands of hooks.
	HookTimeout time.Duration
	Shells      []string
	// Notices is a descriptor of the channel to the emperor, which receives the results of hooks.
	// The caller owns it. Zero: none.
	Notices int
	// Helper is the path of vassal-helper, for PostFork.
	Helper string
	// Libraries are the C libraries for PostFork.
	Libraries hooks.Libraries
	// Limits of the program.
	Limits config.Limits
}

// Front is the built-in server in front of an operator's program. It runs no hooks and gets no
// signals for workers.
type Front struct {
	// Program is the server.
	Program *Program
	// Sockets are the sockets for clients. Behind has, for each of them, the target of requests
	// that the server does not answer itself.
	Sockets []*sockets.Socket
	Behind  []Behind
}

// Behind is a target of requests. The zero value is none.
type Behind struct {
	// Protocol is http or uwsgi.
	Protocol string
	// Socket is the socket on which the program listens.
	Socket *sockets.Socket
}

// Terminal is a pseudoterminal that a helper program shares with clients.
type Terminal struct {
	// Path is the helper program.
	Path string
	// Socket accepts clients.
	Socket *sockets.Socket
	// Options are passed to the helper program.
	Options pty.Options
}

// Spec is a process to start.
type Spec struct {
	// ID identifies the process in events. Never zero.
	ID uint64
	// Name is for logs.
	Name    string
	Program *Program
	Sockets []*sockets.Socket
	// Behind belongs to the sockets of Front.
	Behind []Behind
	Env    []string
	Dir    string
	// Terminal is the terminal of the worker; nil: none.
	Terminal *Terminal
	// Daemon has the settings of a daemon; nil for a worker. Shells run its script.
	Daemon *config.Daemon
	Shells []string
}

// HasHooks reports whether a phase has hooks.
func (p *Plan) HasHooks(phase hooks.Phase) bool { return len(p.Hooks[phase]) > 0 }

// size returns the number of workers.
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

// isFront reports whether a slot, the last one, belongs to the server in front of the program.
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

// mercy returns the time between the request to stop a worker and SIGKILL.
func (p *Plan) mercy() time.Duration {
	if p.Workers.Mercy > 0 {
		return p.Workers.Mercy
	}
	return p.Mercy
}

// behind reports whether the built-in server answers a probe of the worker in a slot first, and
// returns a socket of the program behind it; nil: there is no such program.
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

// asks reports whether the worker in a slot must do more than run to be ready.
func (p *Plan) asks(slot int) bool { return p.notifies(slot) || p.probes(slot) }

// probes reports whether the worker in a slot must answer a probe to be ready.
func (p *Plan) probes(slot int) bool { return p.Ready.Probe.Kind != "" && !p.isFront(slot) }

// notifies reports whether the worker in a slot must send READY=1 to be ready.
func (p *Plan) notifies(slot int) bool {
	program := p.programOf(slot)
	return p.Ready.Notify || program != nil && program.Server != nil
}
