package hooks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// errand is the hook that a helper process runs in the namespaces of another process. Texts
// are bytes: JSON would change a text that is not UTF-8.
type errand struct {
	Phase  Phase
	Text   []byte
	Shells []string
	Who    Subject
	Name   []byte // of Who
	C      Libraries
	// Vars is the environment of the hook, not of the helper.
	Vars [][]byte
}

// Joiner runs hooks in the namespaces of one process.
type Joiner struct {
	// Program is a program whose main calls Joined when it starts as a visitor
	// (namespaces.Visit). Required.
	Program string
	// Environ is the environment of the helper while it is root in the emperor's namespaces.
	// It must come from the operator. Empty: none.
	Environ []string
	// Of opens the namespaces of the process. Required.
	Of namespaces.Opener
	// Subject and Shells as in Runner.
	Subject Subject
	Shells  []string
	// Libraries are the C libraries that the hook may call.
	Libraries Libraries
	// Cgroups as in Runner.
	Cgroups *namespaces.CgroupRoot
	// Confine is the pid of a process that the hook is confined to: it runs in all namespaces
	// of the process, in its root and working directory, as its user and with its
	// capabilities. Zero: the hook names the namespaces, and runs as root in their own root
	// directory.
	Confine int
	// Held is a pidfd of that process. With it the process may be reaped; without it (nil) it
	// must not be.
	Held *os.File
	// Landlocks are restrictions of that process.
	Landlocks []namespaces.Landlock
	// Within is the cgroup of that process. The hook runs in it, so that processes which the
	// hook leaves behind end with the process. Nil: see Cgroups.
	Within *namespaces.Cgroup
}

// Join implements Runner.Join. The environment e is for the hook: the helper sets it only
// after it has entered the namespaces and has the rights of the hook. When ctx ends, Join
// kills the helper and the processes that it started.
func (j Joiner) Join(ctx context.Context, h Hook, e Environment, output func(line string)) error {
	which, err := j.which(h)
	if err != nil {
		return err
	}
	visit := namespaces.Visit{Program: j.Program, Namespaces: which, Of: j.Of, At: j.Confine, Held: j.Held, Confine: j.Confine != 0, Landlocks: j.Landlocks}
	visitor, err := visit.Prepare(j.errand(h, e))
	if err != nil {
		return err
	}
	defer visitor.Close()
	s := &scene{Environment: Environment{Vars: j.Environ, Dir: e.Dir}, output: output, cgroups: j.Cgroups, within: j.Within}
	return s.start(ctx, visitor.Path, visitor.Args, visitor.Files)
}

func (j Joiner) errand(h Hook, e Environment) errand {
	x := errand{Phase: h.spec.Phase, Text: []byte(h.spec.Text), Shells: j.Shells, Who: j.Subject, Name: []byte(j.Subject.Name), C: j.Libraries}
	for _, v := range e.Vars {
		x.Vars = append(x.Vars, []byte(v))
	}
	return x
}

// which returns the namespaces of a hook: those in its text, or all namespaces of the process
// to which it is confined.
func (j Joiner) which(h Hook) (namespaces.Flags, error) {
	if j.Confine != 0 {
		return namespaces.Differing(j.Confine)
	}
	return namespaces.ParseFlags(h.Subject())
}

// Joined runs the hook in a visitor. The calling goroutine must be locked to the main thread.
// When the hook has an exit code, Joined ends the process with it; otherwise it returns.
func Joined() error {
	a, err := namespaces.Arrive()
	if err != nil {
		return err
	}
	if !a.Confined() { // the operator's hook needs files of the host; inside there may be none
		x, h, err := read(a)
		if err == nil && h.symbol != "" {
			err = x.C.Load(func(error) {})
		}
		if err != nil {
			return err
		}
	}
	if err := a.Enter(); err != nil {
		return err
	}
	x, h, err := read(a)
	if err == nil && !a.Confined() { // C functions read the environment there
		err = x.adopt()
	}
	if err != nil {
		return err
	}
	err = h.action(context.Background(), x.scene())
	if h.hidden {
		err = hide(err)
	}
	var exit *ExitError
	var program *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.Code)
	case errors.As(err, &program): // exit as the program did; for a signal, as a shell does
		if status, ok := program.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			os.Exit(shellSignal + int(status.Signal()))
		}
		os.Exit(program.ExitCode())
	}
	return err
}

// read reads the errand and parses its hook.
func read(a *namespaces.Arrival) (x errand, h Hook, err error) {
	if err = a.Errand(&x); err == nil {
		h, err = Parse(Spec{Phase: x.Phase, Kind: Do, Text: string(x.Text)})
	}
	return x, h, err
}

// adopt makes the hook's environment the environment of this process.
func (x errand) adopt() error {
	os.Clearenv()
	for _, v := range x.Vars {
		key, value, _ := strings.Cut(string(v), "=")
		if err := os.Setenv(key, value); err != nil {
			return fmt.Errorf("cannot set environment variable %q: %w", key, err)
		}
	}
	return nil
}

func (x errand) scene() *scene {
	x.Who.Name = string(x.Name)
	s := &scene{
		phase: x.Phase, who: x.Who, own: true, joined: true, shells: x.Shells,
		output: func(line string) { _, _ = fmt.Fprintln(os.Stdout, line) },
	}
	for _, v := range x.Vars {
		s.Vars = append(s.Vars, string(v))
	}
	return s
}

// shellSignal is the number that a shell adds to a signal to form an exit status.
const shellSignal = 128
