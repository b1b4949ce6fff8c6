package workers

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/goprocs"
	"github.com/emperor-go/emperor/internal/listenfds"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config/serving"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Processes implements System with real processes.
type Processes struct {
	// Self is the path of the vassal program, for the worker stage. Required.
	Self string

	sharedStats *os.File // counters of built-in servers; nil: none yet
	sharing     *sharing // the helper that shares terminals; nil: none
	started     map[int]*leader
	// exitedShells are the exits of shells whose process groups still live.
	exitedShells map[int]namespaces.ExitStatus
}

// Start implements System. The kernel sends the death signal of the child when the calling thread
// ends, so the caller must be the main thread.
func (p *Processes) Start(s Spec, post func(Event)) (pid int, err error) {
	name := s.Program.Args[0]
	if s.Daemon != nil {
		if s.Daemon.Shell {
			name = hooks.Shell(s.Shells)
		}
		pid, err = p.startDaemon(s)
	} else {
		pid, err = p.startWorker(s, post)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot start %q: %w", name, err)
	}
	l := &leader{}
	if d := s.Daemon; d != nil {
		l.outlived, l.shell = d.Pidfile != "", d.Shell
	}
	p.lead(pid, l)
	return pid, nil
}

// child collects the resources of a new process.
type child struct {
	files []uintptr // the index is the descriptor number
	env   []string
	close []io.Closer
	argv  []string
	path  string
	// statusPipes report the start of the program, one after the other. Each is closed, or
	// contains an error. None: the program runs at once.
	statusPipes []*os.File
	// startupError is the descriptor for the built-in server's error; zero: none.
	startupError int
}

func (c *child) done() {
	for _, f := range c.close {
		_ = f.Close()
	}
}

// pass passes a file to the child and returns its number there.
func (c *child) pass(f *os.File) string {
	c.close = append(c.close, f)
	c.files = append(c.files, f.Fd())
	return strconv.Itoa(len(c.files) - 1)
}

func (p *Processes) startWorker(s Spec, post func(Event)) (int, error) {
	c := &child{env: s.Env[:len(s.Env):len(s.Env)], path: s.Program.Path, argv: s.Program.Args}
	defer c.done()
	watched := false
	defer func() {
		for _, f := range c.statusPipes {
			if !watched {
				f.Close()
			}
		}
	}()
	if err := c.passResources(s); err != nil {
		return 0, err
	}
	if err := p.passSharedStats(c, s); err != nil {
		return 0, err
	}
	// All programs except the built-in server need the stage, which sets LISTEN_PID.
	if s.Program.Server == nil || len(s.Program.PostFork) > 0 {
		if err := c.stage(p.Self, s.Program); err != nil {
			return 0, err
		}
	}
	screen, err := c.screen(s)
	if err != nil {
		return 0, err
	}
	sys := &syscall.SysProcAttr{Setsid: true, Setctty: screen != nil, Ctty: 1, Pdeathsig: syscall.SIGKILL}
	pid, err := start(c.path, c.argv, &syscall.ProcAttr{Env: c.env, Dir: s.Dir, Files: c.files, Sys: sys})
	if err == nil && s.Terminal != nil {
		if err = p.share(s, pid, screen); err != nil {
			p.Kill(pid) // no process reads the terminal's output
		}
	}
	if err != nil {
		return 0, err
	}
	watched = true
	go watchStatus(c.statusPipes, s.ID, post)
	return pid, nil
}

// passResources passes stdio, the sockets and the server's options.
func (c *child) passResources(s Spec) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	c.pass(null)
	c.files = append(c.files, 1, 2)
	list := s.Sockets
	if s.Program.Stdin && len(list) > 0 {
		c.files[0], list = list[0].FD(), list[1:]
	}
	for _, l := range list {
		c.files = append(c.files, l.FD())
	}
	if len(list) > 0 {
		c.env = append(c.env, listenfds.Variables(sockets.Names(list), 0)...)
	}
	if s.Program.Server != nil {
		options, err := c.behind(s)
		if err != nil {
			return err
		}
		text, err := options.Memfd()
		if err != nil {
			return err
		}
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		c.statusPipes = append(c.statusPipes, read)
		c.env = append(c.env, serving.Env+"="+c.pass(text))
		c.startupError = len(c.files)
		c.env = append(c.env, serving.StartupErrorEnv+"="+c.pass(write))
		c.env = termlog.Pass(goprocs.Idle(c.env))
	}
	return nil
}

// behind returns the options of the built-in server, with the target behind each of its sockets.
// The server connects to a socket without a name through a descriptor.
func (c *child) behind(s Spec) (*serving.Options, error) {
	if len(s.Behind) == 0 {
		return s.Program.Server, nil
	}
	options := *s.Program.Server
	options.Written = slices.Clone(options.Written)
	for _, b := range s.Behind {
		to := serving.Behind{Protocol: b.Protocol}
		if b.Socket != nil {
			if door := b.Socket.Door(); door != nil {
				to.Address = heldPrefix + strconv.Itoa(len(c.files))
				c.files = append(c.files, door.Fd())
			} else if at, err := b.Socket.Dialed(); err == nil {
				to.Address = at
			} else {
				return nil, err
			}
		}
		if err := options.PutBehind(to); err != nil {
			return nil, err
		}
	}
	return &options, nil
}

// passSharedStats passes the shared memory for the counters of all built-in servers of the vassal.
func (p *Processes) passSharedStats(c *child, s Spec) (err error) {
	if s.Program.Server == nil {
		return nil
	}
	if p.sharedStats == nil {
		if p.sharedStats, err = serving.NewSharedStats(); err != nil {
			return err
		}
	}
	c.env = append(c.env, serving.SharedStatsEnv+"="+strconv.Itoa(len(c.files)))
	c.files = append(c.files, p.sharedStats.Fd())
	return nil
}

// watchStatus waits until a stage has executed its program and the built-in server is ready. Each
// then closes its pipe. An error in a pipe ends the wait.
func watchStatus(pipes []*os.File, id uint64, post func(Event)) {
	var outcome Event = executed{id}
	for _, status := range pipes {
		text, err := io.ReadAll(io.LimitReader(status, 4096))
		status.Close()
		if err == nil && len(text) > 0 {
			err = errors.New(strings.TrimSpace(string(text)))
		}
		if err != nil && Refusal(outcome) == nil {
			outcome = refused{id, err}
		}
	}
	post(outcome)
}

// heldPrefix begins the path of a program that is opened through a descriptor.
const heldPrefix = "/proc/self/fd/"

// reach returns the path of a program in the child. A path through a descriptor of this process becomes a
// path through a descriptor of the child, which is returned too.
func (c *child) reach(path string) (inside string, fd int, err error) {
	number, ok := strings.CutPrefix(path, heldPrefix)
	if !ok {
		return path, 0, nil
	}
	held, err := strconv.Atoi(number)
	if err != nil {
		return "", 0, err
	}
	// Programs are held at high numbers, and the fork would put files in its way even higher: above a limit of open files.
	low, err := unix.FcntlInt(uintptr(held), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return "", 0, fmt.Errorf("cannot pass a program: %w", err)
	}
	fd = len(c.files)
	c.pass(os.NewFile(uintptr(low), path))
	return heldPrefix + strconv.Itoa(fd), fd, nil
}

// stage runs the program through the worker stage.
func (c *child) stage(self string, p *Program) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	c.statusPipes = append([]*os.File{read}, c.statusPipes...)
	order := stageOrder{Args: p.Args, Timeout: p.HookTimeout, Shells: p.Shells, Status: len(c.files), StartupError: c.startupError, Limits: p.Limits}
	c.pass(write)
	if order.Path, order.Held, err = c.reach(p.Path); err != nil {
		return err
	}
	if len(p.PostFork) > 0 {
		if order.Helper, order.HelperHeld, err = c.reach(p.Helper); err != nil {
			return err
		}
	}
	if hooks.IsNative {
		order.Libraries = p.Libraries
	}
	for _, h := range p.PostFork {
		order.Hooks = append(order.Hooks, h.Spec())
	}
	if p.Notices > 0 && len(p.PostFork) > 0 {
		order.Notices = len(c.files)
		c.files = append(c.files, uintptr(p.Notices))
	}
	options, err := order.memfd()
	if err != nil {
		return err
	}
	c.path, c.argv, c.env = self, []string{StageName, c.pass(options)}, termlog.Pass(c.env)
	return nil
}

// Usage implements System.
func (*Processes) Usage(pid int) namespaces.Usage { return namespaces.TreeUsage(pid) }

// Leader implements System.
func (*Processes) Leader(pid int) int {
	leader, err := unix.Getsid(pid)
	if err != nil {
		return 0
	}
	return leader
}

// PidOf returns the pid in a pid file, or zero when that process does not run.
func PidOf(file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return 0
	}
	return pid
}

// watchPidfile returns the pid in a file, if that process runs. It calls dead when the process
// ends, unless forget is called first.
func watchPidfile(file string, dead func()) (pid int, forget func()) {
	pid = PidOf(file)
	if pid == 0 {
		return 0, nil
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return 0, nil
	}
	held := os.NewFile(uintptr(fd), "pidfd")
	raw, err := held.SyscallConn()
	if err != nil {
		held.Close()
		return 0, nil
	}
	go func() {
		err := raw.Read(func(fd uintptr) bool {
			polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(polled, 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
		held.Close()
		if err == nil {
			dead()
		}
	}()
	return pid, func() { held.Close() }
}
