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

// errand is the hook that a helper process runs in the namespaces of another process.
// Texts are bytes: JSON would change those that are not UTF-8.
type errand struct {
	Phase  Phase
	Text   []byte
	Shells []string
	Who    Subject
	Name   []byte // of Who
	C      Libraries
	// Vars is the environment of the hook. That of the helper is not made of it.
	Vars [][]byte
}

// Joiner runs hooks in the namespaces of one process.
type Joiner struct {
	// Program is one whose main calls Joined for a visitor (namespaces.Visit). Required.
	Program string
	// Environ is the environment of the helper while it is root here. It must be the
	// operator's own. Empty: none.
	Environ []string
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
	// capabilities. Zero: the
	// hook names the namespaces, and is root in their own root directory.
	Confine int
	// Held is a pidfd of that process, which may be reaped then. Nil: it must not be.
	Held *os.File
	// Within is the cgroup of that process, for the hook as well: what it leaves
	// behind ends with the process. Nil: see Cgroups.
	Within *namespaces.Cgroup
}

// Join is a Runner.Join. The environment e is that of the hook: the helper has it when
// it is where the hook is to run, with the rights of the hook, and not before. The
// helper and what it started are killed when ctx ends.
func (j Joiner) Join(ctx context.Context, h Hook, e Environment, output func(line string)) error {
	which, err := j.which(h)
	if err != nil {
		return err
	}
	visit := namespaces.Visit{Program: j.Program, Namespaces: which, Open: j.Open, At: j.Confine, Held: j.Held, Confine: j.Confine != 0}
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

// which are the namespaces that a hook is for: those that it names, or all that the
// process is in which it is confined to.
func (j Joiner) which(h Hook) (namespaces.Flags, error) {
	if j.Confine != 0 {
		return namespaces.Differing(j.Confine)
	}
	return namespaces.ParseFlags(h.Subject())
}

// Joined runs the hook, as a visitor. It must be called by a goroutine that is locked
// to the main thread. It ends the process with an exit code of the hook's, and returns
// otherwise.
func Joined() error {
	a, err := namespaces.Arrive()
	if err != nil {
		return err
	}
	if !a.Confined() { // the hook is the operator's, and the files are the host's: inside there may be none
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
	if err == nil && !a.Confined() { // functions of C look there
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
	case errors.As(err, &program): // end as it did, or as a shell says it
		if status, ok := program.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			os.Exit(shellSignal + int(status.Signal()))
		}
		os.Exit(program.ExitCode())
	}
	return err
}

// read reads the errand and its hook.
func read(a *namespaces.Arrival) (x errand, h Hook, err error) {
	if err = a.Errand(&x); err == nil {
		h, err = Parse(Spec{Phase: x.Phase, Kind: Do, Text: string(x.Text)})
	}
	return x, h, err
}

// adopt makes the environment of the hook that of this process.
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

// shellSignal is what a shell adds to a signal to make an exit status of it.
const shellSignal = 128
