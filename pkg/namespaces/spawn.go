package namespaces

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// Command is a program to start in new namespaces.
type Command struct {
	// Path of the program and its arguments, the first being its name. Required.
	Path string
	Args []string
	// Env is the whole environment. Empty means empty.
	Env []string
	// Dir is the working directory. Required.
	Dir string
	// Files are the child's descriptors, by number; no others reach it. The
	// caller keeps and closes them. Blocking mode is switched on in each.
	Files []*os.File
	// Namespaces are made new for the child. A new user namespace maps all ids
	// to themselves when the caller is root, else the caller to root. Time is
	// refused: clone(2) cannot make it, only unshare(2).
	Namespaces Flags
	// CgroupFD is a directory descriptor of the cgroup v2 the child is born in.
	// Zero: that of the caller.
	CgroupFD int
	// Deathsig is sent to the child when the Spawner's thread dies. Zero: none.
	Deathsig syscall.Signal
}

// Spawner starts processes from one thread that never ends while the Spawner is
// open, so that Deathsig means the death of this process and not that of some
// thread of the Go runtime (prctl(2), PR_SET_PDEATHSIG).
type Spawner struct {
	requests chan func()
}

// NewSpawner starts the thread.
func NewSpawner() *Spawner {
	s := &Spawner{requests: make(chan func())}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		for run := range s.requests {
			run()
		}
	}()
	return s
}

// Close ends the thread, and thereby every process that has a Deathsig. It must
// be called once, after the last Start.
func (s *Spawner) Close() { close(s.requests) }

// Start starts c and returns when its program has been executed, or cannot be.
// The process leads a session of its own. It blocks while others start.
func (s *Spawner) Start(c Command) (*Process, error) {
	type result struct {
		process *Process
		err     error
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
	if c.Namespaces.Has(NewTime) {
		return nil, errors.New("the time namespace cannot be made by clone")
	}
	pidfd := -1
	attributes := &syscall.SysProcAttr{
		Cloneflags: uintptr(c.Namespaces), Setsid: true, Pdeathsig: c.Deathsig, PidFD: &pidfd,
		UseCgroupFD: c.CgroupFD > 0, CgroupFD: c.CgroupFD,
	}
	if c.Namespaces.Has(NewUser) {
		mapIDs(attributes)
	}
	files := make([]uintptr, len(c.Files))
	for i, f := range c.Files {
		files[i] = f.Fd()
	}
	env := append([]string{}, c.Env...) // never nil: nil would mean our own
	pid, err := syscall.ForkExec(c.Path, c.Args, &syscall.ProcAttr{Dir: c.Dir, Env: env, Files: files, Sys: attributes})
	runtime.KeepAlive(c.Files)
	if err != nil {
		return nil, err
	}
	if pidfd < 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		_, _ = syscall.Wait4(pid, nil, 0, nil)
		return nil, fmt.Errorf("cannot hold process %d: the kernel gave no pidfd", pid)
	}
	return newProcess(pid, pidfd)
}

// mapIDs fills in user_namespaces(7) mappings.
func mapIDs(a *syscall.SysProcAttr) {
	if os.Geteuid() == 0 {
		all := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1<<32 - 1}}
		if wide, err := os.ReadFile("/proc/self/uid_map"); err == nil {
			all = identity(string(wide))
		}
		a.UidMappings, a.GidMappings, a.GidMappingsEnableSetgroups = all, all, true
		return
	}
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
}

// identity maps every id that the map of the caller, in the format of
// /proc/PID/uid_map, has at all to itself.
func identity(parent string) []syscall.SysProcIDMap {
	var maps []syscall.SysProcIDMap
	for rest := parent; ; {
		var inside, outside, size int
		n, err := fmt.Sscan(rest, &inside, &outside, &size)
		if n < 3 || err != nil {
			return maps
		}
		maps = append(maps, syscall.SysProcIDMap{ContainerID: inside, HostID: inside, Size: size})
		newline := 0
		for newline < len(rest) && rest[newline] != '\n' {
			newline++
		}
		if newline == len(rest) {
			return maps
		}
		rest = rest[newline+1:]
	}
}
