package hooks

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/internal/words"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// binsh is the shell when no other shell is configured or can be executed.
const binsh = "/bin/sh"

// shell runs a command line with the first shell that exists, as uWSGI runs exec hooks.
func shell(line string) action {
	return func(ctx context.Context, s *scene) error {
		return s.execute(ctx, Shell(s.shells), "-c", line)
	}
}

// Shell returns the first of several shells that can be executed, or /bin/sh.
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

// argumentPages limits one argument including its terminator, in pages (MAX_ARG_STRLEN of
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
	if sign := words.Operator(line); sign != "" {
		return nil, mistake("exec:"+line, "expects words, not a shell command line: the program would get %q unchanged", sign)
	}
	list, err := words.Split(line)
	if err != nil || len(list) == 0 {
		return nil, mistake("PROGRAM ARGS, quoted as for a shell", "%q is not a command", line)
	}
	return func(ctx context.Context, s *scene) error { return s.execute(ctx, list[0], list[1:]...) }, nil
}

// named runs a program with the vassal's name as its argument.
func named(path string) action {
	return func(ctx context.Context, s *scene) error { return s.execute(ctx, path, s.who.Name) }
}

// execute runs a program in a process group of its own, with /dev/null as standard input. In
// the emperor's phases the program also gets a session of its own. When ctx ends, execute
// kills the whole group; when the program fails, it kills the rest of the group. With cgroups
// it also kills processes that have left the group. execute returns when the program ends. A
// process that a successful hook leaves in the background continues, with its output closed.
func (s *scene) execute(ctx context.Context, program string, args ...string) error {
	path, err := namespaces.FindProgram(program, s.variable("PATH"))
	if err != nil {
		return fmt.Errorf("cannot start %q: %w", program, s.explain(program, err))
	}
	argv := append([]string{program}, args...)
	if s.through == nil {
		return s.start(ctx, path, argv, nil)
	}
	path, argv, file, err := s.through(path, argv)
	if err != nil {
		return fmt.Errorf("cannot start %q: %w", program, err)
	}
	defer file.Close()
	return s.start(ctx, path, argv, []*os.File{file})
}

// explain returns the reason why a program could not be started, as far as this process can find it.
func (s *scene) explain(program string, err error) error {
	if strings.Contains(program, "/") && !filepath.IsAbs(program) {
		return err
	}
	return programs.Explain(program, s.variable("PATH"), err)
}

// variable returns a variable of the environment, or an empty string.
func (s *scene) variable(key string) (value string) {
	for _, v := range s.Vars { // the last one wins, as in exec.Cmd
		if k, text, _ := strings.Cut(v, "="); k == key {
			value = text
		}
	}
	return value
}

// ExitError is returned by an exit action: the process is to exit with the code.
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
