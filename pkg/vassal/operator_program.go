package vassal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/pkg/wire"
)

// becomeForeign is the step that executes the program of the operator.
func becomeForeign(in input, l *link) orderStep {
	return func(_ context.Context, order *wire.Order) error { return in.becomeForeign(order, l) }
}

// becomeForeign executes the program of the operator that the order names, if any, in place of
// this process: the parked first stage is over then. When a program does not exist or may not be
// executed, the next one is tried; any other error ends the boot.
func (in input) becomeForeign(order *wire.Order, l *link) error {
	if order.Program == nil {
		return nil
	}
	p := order.Program
	if p.Dir != "" {
		if err := enter(p.Dir); err != nil {
			return err
		}
	}
	config, pushed := configName(order)
	args := slices.Concat(texts(p.Before), []string{p.Config.Option, config}, texts(p.After))
	env, kept := texts(p.Env), []int{p.Pipe}
	if order.Tenant != nil {
		for _, name := range []string{"HOME", "USER", "LOGNAME"} {
			env = append(env, name+"="+os.Getenv(name))
		}
	}
	if pushed {
		env, kept = append(env, wire.ConfigEnv+"="+strconv.Itoa(p.Configs)), append(kept, p.Configs)
	}
	if err := surviveExec(kept); err != nil {
		return err
	}
	var failed error
	for _, path := range p.Paths {
		if path == "" { // this program itself
			return closeOnExec(kept)
		}
		if pushed {
			if err := l.requestConfig(order); err != nil {
				return err
			}
			pushed = false // once
		}
		in.log.Debug("becoming another program", "program", path, "configuration", config)
		l.reportWait("program " + path)
		l.orders.Flush(flushWait)
		setBlocking(kept, true) // the program expects blocking descriptors
		err := in.execute(path, args, env)
		setBlocking(kept, false)
		failed = errors.Join(failed, fmt.Errorf("cannot become %q: %w", path, err))
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOTDIR) {
			break
		}
	}
	return failed
}

// configName returns the name by which a program opens the configuration: the vassal's, as
// uWSGI's Emperor does, or the absolute path where hooks or the program's own directory gave
// that name another meaning. Without a file that has the bytes and can be read here, the program
// receives them from the emperor (pushed).
//
// The last colon of a name begins a section in uWSGI: a colon that belongs to the name of the
// file needs another one after it. In XML no name stands for the usual section: the colon
// stays, and the program, with the right bytes, finds no section or that one.
func configName(order *wire.Order) (name string, pushed bool) {
	c := order.Program.Config
	usual := c.Option == "--xml" && c.Section == ""
	named := func(name string) string {
		if c.Section != "" || strings.Contains(name, ":") && !usual {
			name += ":" + c.Section
		}
		return name
	}
	name, path := string(c.Name), string(order.Path)
	real, err := os.Stat(path)
	unreadable := err != nil || unix.Access(path, unix.R_OK) != nil
	if here, err := os.Stat(name); err != nil || !os.SameFile(here, real) {
		name = path
	}
	if c.Printed || unreadable || usual && strings.Contains(name, ":") {
		return "emperor://" + named(string(c.Name)), true
	}
	return named(name), false
}

// requestConfig makes the emperor send the bytes of the order over the socket that the next
// program reads.
func (l *link) requestConfig(order *wire.Order) error {
	if err := wire.Pushable(order.Config); err != nil {
		return err
	}
	return l.pipe.Report(wire.SendConfig)
}

// execute replaces this process, by a program in PATH if its name has no slash, as
// execvp(3) does. It returns only if that fails.
func (in input) execute(program string, args, env []string) error {
	path := program
	if !strings.Contains(program, "/") {
		var err error
		if path, err = programs.Find(program); err != nil {
			return unix.ENOENT
		}
	}
	return in.exec(path, append([]string{program}, args...), env)
}

// setBlocking does not fail: with O_NONBLOCK a program may wait in vain, or not.
func setBlocking(fds []int, blocking bool) {
	for _, fd := range fds {
		_ = unix.SetNonblock(fd, !blocking)
	}
}

func texts(list [][]byte) []string {
	var words []string
	for _, b := range list {
		words = append(words, string(b))
	}
	return words
}
