package vassal

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

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
	if err := keep(p.Keep); err != nil {
		return err
	}
	if p.Dir != "" {
		if err := enter(p.Dir); err != nil {
			return err
		}
	}
	var failed error
	for _, path := range p.Paths {
		if path == "" { // this program itself
			return closeOnExec(p.Keep)
		}
		v.Log.Debug("becoming another program", "program", path)
		setBlocking(p.Keep, true) // what it expects of the descriptors that it gets
		err := syscall.Exec(path, append([]string{path}, texts(p.Args)...), texts(p.Env))
		setBlocking(p.Keep, false)
		failed = errors.Join(failed, fmt.Errorf("cannot become %q: %w", path, err))
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOTDIR) {
			break
		}
	}
	return failed
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

// farewell tells the emperor that the program this process becomes speaks
// nothing of ours: that the channels close is no curse then. Without a probe the
// program is ready.
func (v *Vassal) farewell(probe *wire.Probe) error {
	n := wire.Notice{Kind: wire.Exec, Probe: probe}
	if !n.Fits() {
		return errors.New("the command of ready-probe is too long: put it into a script")
	}
	if probe == nil {
		if err := v.pipe.report(wire.Accepting); err != nil {
			return err
		}
	}
	v.outbox.Post(n)
	v.outbox.Flush(lastWords)
	return nil
}
