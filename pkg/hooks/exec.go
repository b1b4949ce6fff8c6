package hooks

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kballard/go-shellquote"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// maxOutput is how much of one hook's output is logged, in bytes as
	// termlog.Lines counts them. What a hook prints beyond it is read, so that it
	// does not block, and counted.
	maxOutput = 1 << 20
	// lastWords is how long the output is read after the hook has ended while a
	// process that it left behind still holds it open.
	lastWords = 50 * time.Millisecond
)

// binsh is the shell where no other was named or can be run.
const binsh = "/bin/sh"

// shell runs a command line by the first shell that there is, as uWSGI runs exec
// hooks.
func shell(line string) action {
	return func(ctx context.Context, s *scene) error {
		return s.execute(ctx, Shell(s.shells), "-c", line)
	}
}

// Shell is the first of some shells that can be run, and /bin/sh without one.
func Shell(named []string) string {
	for _, path := range named {
		if unix.Access(path, unix.X_OK) == nil {
			return path
		}
	}
	return binsh
}

func parseExec(line string) (action, error) {
	if strings.TrimSpace(line) == "" {
		return nil, mistake("", "no command given")
	}
	if limit := argumentPages * os.Getpagesize(); len(line) >= limit {
		return nil, mistake("put it into a script", "the command has %d bytes: the kernel takes less than %d", len(line), limit)
	}
	return shell(line), nil
}

// argumentPages is how long one argument may be, with its end (MAX_ARG_STRLEN of
// execve(2)).
const argumentPages = 32

func parseSafeexec(line string) (action, error) {
	run, err := parseExec(line)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, s *scene) error {
		if err := run(ctx, s); err != nil && ctx.Err() == nil {
			s.output("ignored: " + err.Error())
		} else if err != nil {
			return err
		}
		return nil
	}, nil
}

func parseExecv(line string) (action, error) {
	words, err := shellquote.Split(line)
	if err != nil || len(words) == 0 {
		return nil, mistake("PROGRAM ARGS, quoted as for a shell", "%q is not a command", line)
	}
	return func(ctx context.Context, s *scene) error { return s.execute(ctx, words[0], words[1:]...) }, nil
}

// named runs a program that gets the vassal's name.
func named(path string) action {
	return func(ctx context.Context, s *scene) error { return s.execute(ctx, path, s.who.Name) }
}

// execute runs a program in a process group of its own, in the emperor's phases in a
// session of its own, with /dev/null as standard input. When ctx ends, the whole group is killed, and when the program fails,
// what is left of it; where there are cgroups, also what has left the group. A
// process that a successful hook left in the background is none of its business any
// more: execute returns when the program does, and that process finds its output
// closed.
func (s *scene) execute(ctx context.Context, program string, args ...string) error {
	path, err := namespaces.FindProgram(program, s.variable("PATH"))
	if err != nil {
		return fmt.Errorf("cannot start %q: %w", program, err)
	}
	return s.start(ctx, path, append([]string{program}, args...), nil)
}

// variable is one of the environment; empty when it is not there.
func (s *scene) variable(key string) (value string) {
	for _, v := range s.Vars { // the last counts, as in exec.Cmd
		if k, text, _ := strings.Cut(v, "="); k == key {
			value = text
		}
	}
	return value
}

// start is execute with the program's name for itself, and descriptors from 3 up.
func (s *scene) start(ctx context.Context, program string, argv []string, files []*os.File) (err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer read.Close()
	cmd := exec.CommandContext(ctx, program)
	cmd.Args = argv
	cmd.Env = append([]string{}, s.Vars...) // never nil: nil would mean our own
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = write, write
	cmd.ExtraFiles = files
	// The emperor may have the operator's terminal, on which a program that opens it could
	// type (TIOCSTI of ioctl_tty(2)). A vassal has a session of its own already.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: !s.own && !s.joined, Setpgid: s.own && !s.joined}
	kept, err := s.enclose(cmd)
	if err != nil {
		write.Close()
		return err
	}
	defer func() {
		if left := kept.end(err == nil); left != nil {
			s.output(left.Error())
		}
	}()
	cmd.Cancel = func() error {
		kept.kill()
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	p, err := namespaces.Start(cmd)
	write.Close()
	if err != nil {
		return fmt.Errorf("cannot start: %w", err)
	}
	defer p.Close()
	kept.expose()
	done := make(chan struct{})
	go func() {
		defer close(done)
		termlog.Lines(read, maxOutput, s.output)
	}()
	if status, err := p.Died(); err != nil || status != (namespaces.ExitStatus{}) {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // not reaped: the group is its own
	}
	err = cmd.Wait()
	// The deadline only matters for a pipe that somebody else keeps open.
	_ = read.SetReadDeadline(time.Now().Add(lastWords))
	<-done
	return err
}

// ExitError is the wish of an exit action that the process ends with a code.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return "exit " + strconv.Itoa(e.Code) }

func parseExit(arg string) (action, error) {
	code := 0
	if arg = strings.TrimSpace(arg); arg != "" {
		n, err := strconv.ParseUint(arg, 10, 8)
		if err != nil {
			return nil, mistake("0 to 255", "%q is not an exit code", arg)
		}
		code = int(n)
	}
	return func(context.Context, *scene) error { return &ExitError{code} }, nil
}

func parsePrint(text string) (action, error) {
	return func(_ context.Context, s *scene) error { s.output(text); return nil }, nil
}

func parseAlarm(args string) (action, error) {
	name, text, err := two(args, "NAME TEXT")
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, s *scene) error { s.output("alarm " + name + ": " + text); return nil }, nil
}
