package vassal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/goprocs"
	"github.com/emperor-go/emperor/internal/memfd"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// resumeEnv is the descriptor of the state that this process leaves to its next program, a
// memfd.
const resumeEnv = "EMPEROR_RESUME_FD"

// legacy is the state that a vassal leaves to its next program when it falls back: the next
// program does not park again, and repeats no work for the emperor.
type legacy struct {
	// File is the configuration to use, Why the error of the previous one, and Tried all
	// previous ones, to detect a circle. No file: the next program is the native twin, which
	// reads the same configuration again.
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
	// Twin: the previous program could not call C functions.
	Twin bool
}

// fallBack executes this program again with the fallback configuration, when there is one and
// err would end the vassal with exit code 1. It returns only when it does not: with the error
// to report.
//
// The file is opened here, with the current privileges of this process. Reading it is the only
// permission it needs.
func (v *Vassal) fallBack(err error) error {
	if !failure(err) {
		return err
	}
	v.progress.at("the name of its fallback-config", false)
	file := v.fallbackFile()
	if file == "" || v.order != nil && v.order.Trial || v.silenced() {
		return err
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(v.began, file)
	}
	if len(v.tried) == 0 {
		if first := v.firstFile(); first != "" {
			v.tried = []string{first}
		}
	}
	if slices.Contains(v.tried, file) {
		return fmt.Errorf("%w; its fallback %q was tried before", err, file)
	}
	if _, failed := readFallback(file); failed != nil {
		return fmt.Errorf("%w; %w", err, failed)
	}
	v.Log.Error("starting again with the fallback configuration", "error", err, "file", file)
	next := legacy{File: file, Why: err.Error(), Tried: append(slices.Clone(v.tried), file)}
	return fmt.Errorf("%w; cannot start again with %q: %w", err, file, v.again(v.SelfProgram, next))
}

// firstFile returns the first file of this program, or an empty string when it is not known.
func (v *Vassal) firstFile() string {
	var file string
	switch {
	case v.order != nil:
		file = string(v.order.Path)
	case v.options != nil:
		file = v.options.OriginOf("fallback-config", v.options.Fallback).File
	}
	if file != "" && !filepath.IsAbs(file) {
		file = filepath.Join(v.began, file)
	}
	return file
}

// failure reports whether an error ends the program with exit code 1.
func failure(err error) bool {
	var exit *hooks.ExitError
	var shown config.Shown
	switch {
	case err == nil, errors.Is(err, ErrWithdrawn), errors.As(err, &shown),
		errors.Is(err, config.ErrHelp), errors.Is(err, config.ErrVersion):
		return false
	case errors.As(err, &exit):
		return exit.Code == 1
	}
	return true
}

// fallbackFile returns the fallback of the configuration in effect, even if no other line of
// that can be used.
func (v *Vassal) fallbackFile() string {
	switch {
	case v.options != nil:
		return v.options.Fallback
	case v.resumed != nil:
		in, err := v.fallbackInput()
		if err != nil {
			return ""
		}
		return in.FallbackOf()
	case v.order != nil:
		return v.input(v.order).FallbackOf()
	case v.Fallback != nil:
		return v.Fallback(v.access())
	}
	return ""
}

// silenced stops listening to the emperor without losing a message, and reports whether this
// process was told to stop.
func (v *Vassal) silenced() (stop bool) {
	v.unlisten()
	stop = v.stopped.Load()
	if v.commands != nil {
		_ = v.pipe.file.SetReadDeadline(time.Unix(1, 0))
		for c := range v.commands {
			stop = stop || c != wire.Reload
		}
	}
	if v.hearing != nil {
		v.orders.StopReceiving()
	}
	for v.hearing != nil {
		select {
		case o := <-v.later:
			v.answer(o.Serial, wire.Failed, "the vassal was about to start again with its fallback")
		case <-v.hearing:
			v.hearing = nil
		}
	}
	return stop || ending(v.signals)
}

// ending looks for a stop signal among the signals that have not been received yet.
func ending(signals <-chan os.Signal) bool {
	for {
		select {
		case s := <-signals:
			if ends(s) {
				return true
			}
		default:
			return false
		}
	}
}

// again executes this program, or its native twin, in place of this one.
func (v *Vassal) again(program string, l legacy) error {
	l.Order, l.Notify, l.Environ = v.order, v.notifyVars, v.base
	if l.Dir == "" {
		l.Dir = v.began
	}
	var kept []int
	if v.pipe != nil {
		l.Pipe = int(v.pipe.file.Fd())
		kept = append(kept, l.Pipe)
	}
	v.orders.Flush(lastWords)
	if v.orders != nil {
		l.Orders = v.orders.FD()
		kept = append(kept, l.Orders)
	}
	for _, s := range v.held {
		l.Sockets, l.Names = append(l.Sockets, int(s.FD())), append(l.Names, s.Name)
	}
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	memory, err := memfd.Text("resume", text)
	if err != nil {
		return err
	}
	if err := v.forgetEnvironment(); err != nil {
		return err
	}
	if err := keep(append(append(kept, memory), l.Sockets...)); err != nil {
		return err
	}
	env := append(os.Environ(), resumeEnv+"="+strconv.Itoa(memory))
	return v.exec(program, os.Args, goprocs.Vassal(env))
}

// forgetEnvironment restores the environment before the options.
func (v *Vassal) forgetEnvironment() error {
	for key, before := range v.replaced {
		if err := restore(key, before); err != nil {
			return err
		}
	}
	return nil
}

// holdInherited keeps the inherited sockets while all others are closed.
func (v *Vassal) holdInherited() {
	for _, s := range v.inherited {
		if held, err := s.As(s.Name, onDemand); err == nil {
			v.held = append(v.held, held)
		}
	}
}

// resume takes over the state of the previous program of this process, if there is one.
func (v *Vassal) resume() (found bool, err error) {
	fd, ok, err := takeFD(resumeEnv)
	if !ok || err != nil {
		return false, err
	}
	l, err := inherit(fd)
	if err != nil {
		return false, err
	}
	return true, v.takeOver(l)
}

func inherit(fd int) (*legacy, error) {
	f := os.NewFile(uintptr(fd), "resume")
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 2*wire.MaxOrder))
	if err != nil {
		return nil, err
	}
	l := &legacy{}
	if err := json.Unmarshal(text, l); err != nil {
		return nil, fmt.Errorf("cannot go on after a fallback: %w", err)
	}
	return l, nil
}

func (v *Vassal) takeOver(l *legacy) error {
	if err := enter(l.Dir); err != nil {
		v.Log.Debug("staying where the configuration before went", "error", err)
	}
	v.tried, v.began, v.order, v.notifyVars, v.base, v.twin = l.Tried, l.Dir, l.Order, l.Notify, l.Environ, l.Twin
	if l.File != "" {
		v.resumed = l
	}
	if l.Pipe > 0 {
		v.pipe = newPipe(l.Pipe)
	}
	if l.Orders > 0 {
		v.parking = l.Orders
		v.openOrders()
	}
	for i, fd := range l.Sockets {
		s, err := sockets.Adopt(l.Names[i], onDemand, fd)
		if err != nil {
			return err
		}
		v.inherited = append(v.inherited, s)
	}
	if l.Order != nil {
		for _, b := range l.Order.HookVars {
			v.hookVars = append(v.hookVars, string(b))
		}
	}
	if !l.Twin {
		v.answer(0, wire.Fallback, l.File+": "+l.Why)
	}
	return goprocs.Restore()
}

// fallbackInput returns the configuration in effect after a fallback, read again. The
// operator's templates apply to this file, too.
func (v *Vassal) fallbackInput() (config.Input, error) {
	data, err := readFallback(v.resumed.File)
	if err != nil {
		return config.Input{}, err
	}
	order := wire.Order{Dir: []byte(filepath.Dir(v.resumed.File))}
	if v.resumed.Order != nil {
		order.Templates, order.Environ = v.resumed.Order.Templates, v.resumed.Order.Environ
	}
	order.Name, order.Path, order.Config = []byte(filepath.Base(v.resumed.File)), []byte(v.resumed.File), data
	return v.input(&order), nil
}

// readFallback reads a regular file: any other could block, and between two programs no code
// listens to the emperor.
func readFallback(file string) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot use fallback-config: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("cannot use fallback-config: %q is no regular file", file)
	}
	data, err := io.ReadAll(io.LimitReader(f, config.MaxFile+1))
	if err == nil && len(data) > config.MaxFile {
		err = fmt.Errorf("%q is too large", file)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use fallback-config: %w", err)
	}
	return data, nil
}

// once is a step that an earlier program of this process has already executed.
func (v *Vassal) once(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if v.resumed != nil || v.twin {
			return nil
		}
		return run(ctx)
	}
}

// restored records that the emperor's bytes are in effect again.
func (v *Vassal) restored() {
	if v.resumed != nil {
		v.Log.Info("back from the fallback configuration")
		v.resumed, v.tried = nil, nil
		v.answer(0, wire.Fallback, "")
	}
}
