package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// JoinName is the name under which a program is started to run a hook in the
// namespaces of another process; it then calls Joined and nothing else.
const JoinName = "emperor-setns"

// task is what the helper process is told, on descriptor taskFD. The namespaces
// follow, in the order of Flags.Kinds.
type task struct {
	Phase  Phase
	Which  namespaces.Flags
	Text   string
	Shells []string
	Who    Subject
	C      Libraries
	// Confine: the last descriptors are a root directory and a working directory to
	// go to, and Limits the rights to go on with.
	Confine bool
	Limits  namespaces.Limits
}

const taskFD = 3

// Joiner runs hooks in the namespaces of one process.
type Joiner struct {
	// Program is one whose main calls Joined under JoinName. Required.
	Program string
	// Open returns one namespace of the process by descriptor. Required.
	Open func(namespaces.Flags) (*os.File, error)
	// Subject and Shells are those of the Runner.
	Subject Subject
	Shells  []string
	// Libraries are those of C that the hook may call.
	Libraries Libraries
	// Cgroups is that of the Runner.
	Cgroups *namespaces.CgroupRoot
	// Confine is a process that the hook is confined to: it runs in all its
	// namespaces, its root and working directory, as its user and with its
	// capabilities. The process must not be reaped before Join returns. Zero: the
	// hook names the namespaces, and is root in their own root directory.
	Confine int
	// Within is the cgroup of that process, for the hook as well: what it leaves
	// behind ends with the process. Nil: see Cgroups.
	Within *namespaces.Cgroup
}

// Join is a Runner.Join. The helper process and what it started are killed when
// ctx ends.
func (j Joiner) Join(ctx context.Context, h Hook, e Environment, output func(line string)) error {
	which, err := j.which(h)
	if err != nil {
		return err
	}
	t := task{Phase: h.spec.Phase, Which: which, Text: h.spec.Text, Shells: j.Shells, Who: j.Subject, C: j.Libraries, Confine: j.Confine != 0}
	if t.Confine {
		if t.Limits, err = namespaces.LimitsOf(j.Confine, which.Has(namespaces.NewUser)); err != nil {
			return err
		}
	}
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	told, err := memory(text)
	if err != nil {
		return err
	}
	files := []*os.File{told}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	s := &scene{Environment: e, output: output, cgroups: j.Cgroups, within: j.Within}
	s.Vars = append(slices.Clone(e.Vars), joinEnv+"=1")
	program, args := j.Program, []string{JoinName}
	for i, kind := range which.Kinds() {
		f, err := j.Open(kind)
		if err != nil {
			return err
		}
		files = append(files, f)
		if kind == namespaces.NewUser { // only a process of one thread can enter it
			if program, err = exec.LookPath("nsenter"); err != nil {
				return fmt.Errorf("cannot enter a user namespace: %w", err)
			}
			args = []string{"nsenter", "--user=/proc/self/fd/" + strconv.Itoa(taskFD+1+i), "--", j.Program}
		}
	}
	if t.Confine {
		for _, link := range []string{"root", "cwd"} {
			path := fmt.Sprintf("/proc/%d/%s", j.Confine, link)
			fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) // asks no filesystem of its
			if err != nil {
				return fmt.Errorf("cannot go where it is: %w", err)
			}
			files = append(files, os.NewFile(uintptr(fd), path))
		}
	}
	return s.start(ctx, program, args, files)
}

// which are the namespaces that a hook is for: those that it names, or all that the
// process is in which it is confined to.
func (j Joiner) which(h Hook) (namespaces.Flags, error) {
	if j.Confine != 0 {
		return namespaces.Differing(j.Confine)
	}
	return namespaces.ParseFlags(h.Subject())
}

// memory returns a file that holds text, to be read from its beginning. A pipe
// would hold 64 KiB of it and then wait for a reader that is not there yet.
func memory(text []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("task", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "task")
	if _, err = f.Write(text); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot write the task: %w", err)
	}
	return f, nil
}

// joinEnv marks the helper process where its name is lost on the way.
const joinEnv = "EMPEROR_SETNS"

// IsJoin tells whether this process was started to run a hook elsewhere.
func IsJoin() bool { return os.Args[0] == JoinName || os.Getenv(joinEnv) != "" }

// Joined runs the hook. It must be called by the main thread, to which its
// goroutine is locked.
func Joined() error {
	_ = os.Unsetenv(joinEnv)
	text, err := io.ReadAll(os.NewFile(taskFD, "task"))
	if err != nil {
		return err
	}
	var t task
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("cannot read the task: %w", err)
	}
	h, err := Parse(Spec{Phase: t.Phase, Kind: Do, Text: t.Text})
	if err != nil {
		return err
	}
	if h.symbol != "" { // the files are the host's: inside there may be none
		if err := t.C.Load(func(error) {}); err != nil {
			return err
		}
	}
	if err := enterAll(t.Which); err != nil {
		return err
	}
	if t.Confine {
		last := taskFD + 1 + len(t.Which.Kinds())
		root, dir := os.NewFile(uintptr(last), "root"), os.NewFile(uintptr(last+1), "cwd")
		if err := t.Limits.Confine(root, dir); err != nil {
			return err
		}
		root.Close()
		dir.Close()
	}
	s := &scene{
		Environment: Environment{Vars: os.Environ()}, phase: t.Phase, who: t.Who, own: true, joined: true, shells: t.Shells,
		output: func(line string) { _, _ = fmt.Fprintln(os.Stdout, line) },
	}
	err = h.action(context.Background(), s)
	if h.hidden {
		err = hide(err)
	}
	var exit *ExitError
	var program *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.Code)
	case errors.As(err, &program): // end as it did, or as a shell says it
		if status, ok := program.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			os.Exit(shellSignal + int(status.Signal()))
		}
		os.Exit(program.ExitCode())
	}
	return err
}

// shellSignal is what a shell adds to a signal to make an exit status of it.
const shellSignal = 128

// enterAll enters each namespace but that of users, where the process is already.
func enterAll(which namespaces.Flags) error {
	kinds := which.Kinds()
	files := make([]*os.File, len(kinds))
	for i := range kinds {
		files[i] = os.NewFile(uintptr(taskFD+1+i), "namespace")
		syscall.CloseOnExec(taskFD + 1 + i)
	}
	for i, kind := range kinds {
		if kind != namespaces.NewUser {
			if err := namespaces.Enter(kind, files[i]); err != nil {
				return err
			}
		}
	}
	for _, f := range files {
		f.Close()
	}
	return nil
}
