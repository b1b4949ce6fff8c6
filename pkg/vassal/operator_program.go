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

// becomeForeign turns this process into the program of the operator's that the
// order names, if it does: the parked first stage is over then. A program that
// is not there or may not be executed leaves the turn to the next; one that
// cannot be executed for another reason ends this spawn.
func (v *Vassal) becomeForeign(context.Context) error {
	if v.order == nil || v.order.Program == nil {
		return nil
	}
	p := v.order.Program
	if p.Dir != "" {
		if err := enter(p.Dir); err != nil {
			return err
		}
	}
	config, pushed := v.nameConfig(p.Config)
	args := slices.Concat(texts(p.Before), []string{p.Config.Option, config}, texts(p.After))
	env, kept := texts(p.Env), []int{p.Pipe}
	if pushed {
		env, kept = append(env, wire.ConfigEnv+"="+strconv.Itoa(p.Configs)), append(kept, p.Configs)
	}
	if err := keep(kept); err != nil {
		return err
	}
	var failed error
	for _, path := range p.Paths {
		if path == "" { // this program itself
			return closeOnExec(kept)
		}
		if pushed {
			if err := v.askForConfig(); err != nil {
				return err
			}
			pushed = false // once
		}
		v.Log.Debug("becoming another program", "program", path, "configuration", config)
		v.booting("program " + path)
		v.orders.Flush(lastWords)
		setBlocking(kept, true) // what it expects of the descriptors that it gets
		err := v.execute(path, args, env)
		setBlocking(kept, false)
		failed = errors.Join(failed, fmt.Errorf("cannot become %q: %w", path, err))
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOTDIR) {
			break
		}
	}
	return failed
}

// nameConfig is the name by which a program opens the configuration: the vassal's, as
// uWSGI's Emperor names it, or the absolute path where hooks or the program's own
// directory gave that name another meaning. Without a file that has the bytes and can
// be read here, the program is to take them from the emperor (pushed).
//
// The last colon of a name begins a section to uWSGI: one that belongs to the name of
// the file needs another behind it. In XML no name stands for the usual section: the
// colon is left, and the program, with the right bytes, finds no section or that one.
func (v *Vassal) nameConfig(c wire.ProgramConfig) (name string, pushed bool) {
	usual := c.Option == "--xml" && c.Section == ""
	named := func(name string) string {
		if c.Section != "" || strings.Contains(name, ":") && !usual {
			name += ":" + c.Section
		}
		return name
	}
	name, path := string(c.Name), string(v.order.Path)
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

// askForConfig makes the emperor give the bytes of the order over the socket that the
// next program reads.
func (v *Vassal) askForConfig() error {
	if err := wire.Pushable(v.order.Config); err != nil {
		return err
	}
	return v.pipe.report(wire.SendConfig)
}

// execute replaces this process, by a program in PATH if its name has no slash, as
// execvp(3) does. It returns only if that fails.
func (v *Vassal) execute(program string, args, env []string) error {
	path := program
	if !strings.Contains(program, "/") {
		var err error
		if path, err = programs.Find(program); err != nil {
			return unix.ENOENT
		}
	}
	return v.exec(path, append([]string{program}, args...), env)
}

// keep lets descriptors survive execve.
func keep(fds []int) error { return setFlags(fds, 0) }

func closeOnExec(fds []int) error { return setFlags(fds, unix.FD_CLOEXEC) }

func setFlags(fds []int, flags int) error {
	for _, fd := range fds {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags); err != nil {
			return fmt.Errorf("cannot pass on descriptor %d: %w", fd, err)
		}
	}
	return nil
}

// setBlocking does not fail: with O_NONBLOCK a program may wait in vain, or not.
func setBlocking(fds []int, blocking bool) {
	for _, fd := range fds {
		_ = unix.SetNonblock(fd, !blocking)
	}
}

func texts(list [][]byte) []string {
	words := make([]string, len(list))
	for i, b := range list {
		words[i] = string(b)
	}
	return words
}

// farewell tells the emperor that the program this process becomes, or its child that it
// stands in for, speaks nothing of ours: that the channels close is no curse then.
// Without a probe the program is ready.
func (v *Vassal) farewell(probe *wire.Probe, child int) error {
	n := wire.Notice{Kind: wire.Exec, Probe: probe, Program: child, StopSignal: int(v.options.Workers.StopSignal), Mercy: v.options.ReloadMercy}
	if !n.Fits() {
		return errors.New("the command of ready-probe is too long: put it into a script")
	}
	if probe == nil {
		if err := v.pipe.report(wire.Accepting); err != nil {
			return err
		}
	}
	v.orders.Post(n)
	v.orders.Flush(lastWords)
	return nil
}
