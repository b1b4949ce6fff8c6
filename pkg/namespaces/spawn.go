package namespaces

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/vishvananda/netns"
)

// Command describes a program to start in new namespaces.
type Command struct {
	// Path of the program and its arguments; the first argument is its name. Required.
	Path string
	Args []string
	// Env is the whole environment. Nil means empty.
	Env []string
	// Dir is the working directory. Required.
	Dir string
	// Files are the child's descriptors, by number; nil is a closed one. The caller keeps and
	// closes them. Files that Go made non-blocking become blocking. Other descriptors of the
	// caller reach the child only when they are not close-on-exec (see CloseOnExecFrom).
	Files []*os.File
	// Namespaces are created for the child. Without IDs a new user namespace maps all ids to
	// themselves when the caller is root; otherwise it maps only the caller, to root
	// (user_namespaces(7)). A kernel that does not put a program into a new time namespace on
	// execve is an error.
	Namespaces Flags
	// IDs are the maps of the new user namespace, in which the child is root. Dir must be open to its
	// ids. Nil: see Namespaces.
	IDs *IDs
	// CgroupFD is a directory descriptor of the cgroup v2 in which the child starts. Zero: the
	// caller's cgroup.
	CgroupFD int
	// Keyring gives the child a new, empty session keyring.
	Keyring bool
	// Deathsig is sent to the child when the Spawner's thread dies. Zero: none.
	Deathsig syscall.Signal
}

// Spawner starts processes from one thread that lives as long as the Spawner is open, so that
// Deathsig signals the death of this process and not the end of some thread of the Go runtime
// (prctl(2), PR_SET_PDEATHSIG).
type Spawner struct {
	requests chan func()
	joins    Flags // namespaces of another process, in which the thread is
}

// NewSpawner starts the thread.
func NewSpawner() *Spawner {
	s, _ := prepared(func() error { return nil })
	return s
}

// prepared starts the thread, which prepares itself first.
func prepared(prepare func() error) (*Spawner, error) {
	s := &Spawner{requests: make(chan func())}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		err := prepare()
		done <- err
		if err != nil {
			return
		}
		for run := range s.requests {
			run()
		}
	}()
	return s, <-done
}

// NewSpawnerIn returns a Spawner whose processes are in a network namespace, unless they get one of
// their own. The thread enters it, and ends with the Spawner: it never serves others. The handle
// stays the caller's, who may close it when NewSpawnerIn has returned.
func NewSpawnerIn(ns netns.NsHandle) (*Spawner, error) {
	s, err := prepared(func() error { return netns.Set(ns) })
	if err != nil {
		return nil, fmt.Errorf("cannot enter the network namespace: %w", err)
	}
	return s, nil
}

// Close ends the thread, and thereby every process with a Deathsig. It must be called once,
// after the last Start.
func (s *Spawner) Close() { close(s.requests) }

// Run calls run on the thread of s and returns then. It blocks while processes are started.
func (s *Spawner) Run(run func()) {
	done := make(chan struct{})
	s.requests <- func() {
		defer close(done)
		run()
	}
	<-done
}

// Start starts c and returns when its program has been executed, or has failed to. The process
// leads a session of its own. Start blocks while other processes are started.
func (s *Spawner) Start(c Command) (*Process, error) {
	type result struct {
		process *Process
		err     error
	}
	c, err := c.joined(s.joins)
	if err != nil {
		return nil, err
	}
	done := make(chan result, 1)
	s.requests <- func() {
		p, err := start(c)
		done <- result{p, err}
	}
	r := <-done
	return r.process, r.err
}

func start(c Command) (*Process, error) {
	if c.Keyring {
		// The child inherits this thread's keyring, in all of the child's threads
		// (keyrings(7)). No other code runs on this thread, and the next child gets another
		// keyring.
		if err := joinKeyring(); err != nil {
			return nil, err
		}
	}
	pidfd := -1
	attributes := &syscall.SysProcAttr{
		Cloneflags: uintptr(c.Namespaces), Setsid: true, Pdeathsig: c.Deathsig, PidFD: &pidfd,
		UseCgroupFD: c.CgroupFD > 0, CgroupFD: c.CgroupFD,
	}
	switch {
	case !c.Namespaces.Has(NewUser):
	case c.IDs != nil:
		attributes.UidMappings, attributes.GidMappings, attributes.GidMappingsEnableSetgroups = c.IDs.UIDs, c.IDs.GIDs, true
		attributes.Credential = &syscall.Credential{} // root of the namespace, which is no root outside
	default:
		if err := mapIDs(attributes); err != nil {
			return nil, err
		}
	}
	files := make([]uintptr, len(c.Files))
	for i, f := range c.Files {
		files[i] = f.Fd() // of nil: -1, which is closed
	}
	var pid int
	fork := func() (err error) {
		pid, err = syscall.ForkExec(c.Path, c.Args, &syscall.ProcAttr{Dir: c.Dir, Env: c.Env, Files: files, Sys: attributes})
		return err
	}
	if c.IDs != nil {
		fork = c.IDs.owning(fork)
	}
	exposes, begin := canExpose(), fork
	if !exposes {
		begin = func() error { return unspared(fork) }
	}
	err := begin()
	runtime.KeepAlive(c.Files)
	if err != nil && pid == 0 {
		return nil, err
	}
	p, failed := hold(pid, pidfd)
	err = errors.Join(err, failed)
	if err == nil && exposes {
		err = expose(pid)
	}
	if err == nil && c.Namespaces.Has(NewTime) {
		err = p.inNewTime()
	}
	if err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL) // not reaped yet: the pid still belongs to it
		_, _ = syscall.Wait4(pid, nil, 0, nil)
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// inNewTime checks the one namespace that clone creates and execve enters: a kernel that can
// create it may still leave a program in the old one.
func (p *Process) inNewTime() error {
	f, err := p.OpenNamespace(NewTime)
	if _, own := os.Stat("/proc/self/ns/time"); own == nil && errors.Is(err, os.ErrNotExist) {
		return nil // a program that has ended has no namespace
	}
	if err != nil {
		return fmt.Errorf("cannot make a time namespace: %w", err)
	}
	return f.Close()
}

// mapIDs fills in the mappings of a new user namespace. A namespace that forbids setgroups
// cannot allow it again below (user_namespaces(7)).
func mapIDs(a *syscall.SysProcAttr) (err error) {
	if os.Geteuid() != 0 {
		a.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
		return nil
	}
	if a.UidMappings, err = identity("/proc/self/uid_map"); err != nil {
		return err
	}
	if a.GidMappings, err = identity("/proc/self/gid_map"); err != nil {
		return err
	}
	setgroups, err := os.ReadFile("/proc/self/setgroups")
	a.GidMappingsEnableSetgroups = strings.TrimSpace(string(setgroups)) == "allow"
	return err
}

// identity maps every id in a map of the caller to itself: the inside of that map is the
// outside of the new one.
func identity(file string) ([]syscall.SysProcIDMap, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot map ids: %w", err)
	}
	maps := parseIDMap(string(text))
	if len(maps) == 0 {
		return nil, fmt.Errorf("cannot map ids: %s has none", file)
	}
	for i := range maps {
		maps[i].HostID = maps[i].ContainerID
	}
	return maps, nil
}
