package vassal

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/goprocs"
	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/internal/memfd"
	"github.com/emperor-go/emperor/pkg/wire"
)

// stateEnv is the descriptor of the state that this process leaves to its next program, a
// memfd.
const stateEnv = "EMPEROR_RESUME_FD"

// state is the input of the next program of a vassal, which is in the same process (execve(2)):
// that one does not park again, and repeats no work for the emperor. There are two reasons for
// a next program: a fallback configuration, and C functions, which only the native twin can
// call.
type state struct {
	// File is the fallback configuration in effect, Why the error of the previous one, and
	// Tried all previous ones, to detect a circle. No file: none is in effect.
	File, Why string
	Tried     []string
	// Order is the emperor's; nil without one.
	Order *wire.Order `json:",omitempty"`
	// Pipe, Orders and Sockets are kept descriptors; zero: none.
	Pipe, Orders int
	Sockets      []int
	Names        []string
	Notify       []string
	// Dir is the directory in which this process was started.
	Dir string
	// Environ is the environment for reading configurations. Nil: the environment of the
	// process.
	Environ []string
	// Twin: the next program is the native twin, which reads the same configuration again.
	Twin bool
}

// handOver executes this program, or its native twin, in place of this one. It returns only
// when it cannot. v.silenced is called before.
func (v *vassal) handOver(program string, next state) error {
	next.Order, next.Environ = v.source.order, v.reader.environ
	if next.Dir == "" {
		next.Dir = v.reader.began
	}
	kept := v.link.leave(&next)
	kept = append(kept, v.sockets.leave(&next)...)
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	memory, err := memfd.Text("resume", text)
	if err != nil {
		return err
	}
	if err := v.env.forget(); err != nil {
		return err
	}
	fds, passed := v.programs.leave()
	if err := surviveExec(append(append(kept, fds...), memory)); err != nil {
		return err
	}
	env := append(slices.DeleteFunc(os.Environ(), libexec.IsPassed), stateEnv+"="+strconv.Itoa(memory))
	env = append(env, passed...)
	return v.exec(program, os.Args, goprocs.Vassal(env))
}

// silenced stops receiving without losing a message, and reports whether this process was asked
// to stop.
func (v *vassal) silenced() (stop bool) {
	stop = v.signals.end().stop
	stop = v.link.silence("the vassal was about to start again with its fallback") || stop
	return stop || stopWaits(v.signals.arrived)
}

// inheritedState returns the state that the previous program of this process has left; nil:
// there was none.
func inheritedState() (*state, error) {
	fd, ok, err := takeFD(stateEnv)
	if !ok || err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "resume")
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 2*wire.MaxOrder))
	if err != nil {
		return nil, err
	}
	s := &state{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("cannot go on after a fallback: %w", err)
	}
	return s, nil
}

// takeOver puts the state of the previous program into effect.
func (v *vassal) takeOver(s *state) error {
	if err := enter(s.Dir); err != nil {
		v.log.Debug("staying in the directory of the previous configuration", "error", err)
	}
	v.reader.began, v.reader.environ = s.Dir, s.Environ
	v.source = source{order: s.Order, tried: s.Tried, later: true}
	if s.File != "" {
		v.source.fallback = &fallback{file: s.File, why: s.Why}
	}
	v.link.resume(s)
	if err := v.sockets.resume(s); err != nil {
		return err
	}
	if !s.Twin {
		v.link.answer(0, wire.Fallback, s.File+": "+s.Why)
	}
	return goprocs.Restore()
}

// leave writes the connection into a state, after all notices are sent, and returns the
// descriptors of it.
func (l *link) leave(s *state) (fds []int) {
	s.Notify = l.notify
	if l.pipe != nil {
		s.Pipe = l.pipe.FD()
		fds = append(fds, s.Pipe)
	}
	l.orders.Flush(flushWait)
	if l.orders != nil {
		s.Orders = l.orders.FD()
		fds = append(fds, s.Orders)
	}
	return fds
}

// resume is the opposite of leave.
func (l *link) resume(s *state) {
	l.notify = s.Notify
	if s.Pipe > 0 {
		l.pipe = wire.NewVassalPipe(s.Pipe)
	}
	if s.Orders > 0 {
		l.orders = wire.NewVassalEnd(s.Orders)
	}
}

// leave writes the inherited sockets, which hold has kept, into a state, and returns their
// descriptors.
func (l *listeners) leave(s *state) []int {
	for _, held := range l.held {
		s.Sockets, s.Names = append(s.Sockets, int(held.FD())), append(s.Names, held.Name)
	}
	return s.Sockets
}

// resume is the opposite of leave.
func (l *listeners) resume(s *state) error {
	for i, fd := range s.Sockets {
		if err := l.adopt(fd, s.Names[i]); err != nil {
			return err
		}
	}
	return nil
}

// hold keeps the inherited sockets for the next program while all sockets are closed.
func (l *listeners) hold() {
	for _, s := range l.inherited {
		if held, err := s.As(s.Name, onDemand); err == nil {
			l.held = append(l.held, held)
		}
	}
}

// takeFD reads a descriptor's number from the environment and removes it there.
func takeFD(key string) (fd int, ok bool, err error) {
	text, ok := os.LookupEnv(key)
	if !ok {
		return 0, false, nil
	}
	if fd, err = strconv.Atoi(text); err == nil && fd > 2 {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	}
	if err != nil || fd < 3 {
		return 0, false, fmt.Errorf("cannot use %s=%q: not an open descriptor", key, text)
	}
	return fd, true, os.Unsetenv(key)
}

// surviveExec lets descriptors survive execve, and closeOnExec does not.
func surviveExec(fds []int) error { return setFlags(fds, 0) }

func closeOnExec(fds []int) error { return setFlags(fds, unix.FD_CLOEXEC) }

func setFlags(fds []int, flags int) error {
	for _, fd := range fds {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags); err != nil {
			return fmt.Errorf("cannot pass on descriptor %d: %w", fd, err)
		}
	}
	return nil
}
