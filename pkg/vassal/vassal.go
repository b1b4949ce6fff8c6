// Package vassal answers one question: what happens inside? It boots a process
// that an emperor has cloned, step by step, and then supervises what it serves.
package vassal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/vassal/sockets"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Vassal is this process on its way from the clone to serving. Run is called
// once, from the main goroutine, which must be locked to the main thread: the
// death signals of workers are tied to it.
type Vassal struct {
	// Parse gets the options where no emperor gave an order: from the command
	// line, with that access. Required.
	Parse func(config.Access) (*config.Vassal, config.Problems, error)
	// ServerProgram is the path of the built-in server. Required for static-map.
	ServerProgram string
	// ParserProgram is the path of the program that reads YAML and XML. Required for
	// these.
	ParserProgram string
	// SelfProgram is the path of the vassal program, for its worker stage.
	SelfProgram string
	// TwinProgram is the path of the same program that can call functions of C.
	// Empty: it is not there, or is this one.
	TwinProgram string
	// Fallback is what Parse would find as fallback-config, however much else is
	// wrong. Nil: nothing.
	Fallback func(config.Access) string
	// Exit ends this process. Required.
	Exit func(code int)
	// Log gets what happens. Required.
	Log *slog.Logger
	// Printed waits, for a moment at most, until what Log got has been written. Nil: it
	// has at once.
	Printed func()

	pipe       *pipe       // to the emperor; nil without one
	order      *wire.Order // the one in effect; nil when nobody parked us
	parking    int         // the descriptor the first order comes over; 0: none
	orders     *wire.Channel
	outbox     *wire.Outbox
	options    *config.Vassal
	sets       [][]*sockets.Socket // each in the order of LISTEN_FDS: for all workers, or for one
	shared     []*sockets.Socket   // bound before the drop; =N refers to one
	early      []*sockets.Socket   // bound before the drop as well: those of routers
	inherited  []*sockets.Socket   // from whoever started this process
	terminal   *sockets.Socket     // where clients of it come; nil: there is none
	terminalAt string              // its address, of a path the whole
	files      []madeFile
	dropped    bool
	hookVars   []string
	ownProc    bool               // a /proc of its own and a network of its own: the emperor's path to it is void here
	home       string             // the working directory before the options' own
	arrived    string             // the working directory by the options' own
	moved      *move              // nil: hooks stayed there
	replaced   map[string]*string // the environment without the options' changes; nil: no such variable
	base       []string           // the environment for configurations that are read; nil: none was yet

	ptyProgram string // found before the drop

	began   string            // the directory in which this process was started
	tried   []string          // configurations that this process has fallen back to
	resumed *legacy           // of the life before; nil: this is the first, or its bytes count again
	held    []*sockets.Socket // inherited ones, for the next life
	twin    bool              // the emperor's phases are behind it; this program took over for its functions of C
	later   <-chan wire.Order
	hearing <-chan struct{} // closed when nothing more comes by later; nil: nobody listens

	wished       bool // a reload was asked for during the boot; the listener's until it is done
	unprivileged bool // the hooks of the end are due
	serving      bool // the master has taken over

	// notifyVars tell a program that takes our place where to notify the emperor
	// (sd_notify(3)).
	notifyVars []string

	progress progress
	stopped  atomic.Bool     // this process was told to stop while it booted
	boots    context.Context // ends with that
	stopBoot context.CancelCauseFunc
	signals  chan os.Signal
	commands <-chan wire.Command
	booted   chan struct{} // closed when the boot no longer listens
	listener chan struct{} // closed when nobody listens for the boot
}

// errStopped is the cause of a boot that was told to stop. It is no failure.
var errStopped = errors.New("stopped while booting")

// ErrWithdrawn is what Run returns when the emperor called the launch off while
// this process was parked. It is no failure.
var ErrWithdrawn = wire.ErrWithdrawn

// ErrUsage is what the error of Run is about a command line that is wrong, or a file
// that it names, where no emperor has started this process.
var ErrUsage = errors.New("the command line is wrong")

// usageError is an ErrUsage that reads like its cause.
type usageError struct{ error }

func (u usageError) Unwrap() []error { return []error{u.error, ErrUsage} }

// step is one named part of the boot.
type step struct {
	name string
	run  func(context.Context) error
}

// steps is the boot, in the order of uWSGI's phases. The first that fails ends
// it, and nothing after it runs.
func (v *Vassal) steps() []step {
	return []step{
		{"seal descriptors", v.seal},
		{"wait for the order", v.awaitOrder},
		{"listen to the emperor", v.listen},
		{"load the emperor's libraries", v.once(v.emperorLibraries)},
		{"prepare mounts", v.once(v.prepareMounts)},
		{"as-vassal-before-drop hooks", v.once(v.emperorHooks(hooks.AsVassalBeforeDrop))},
		{"vassals-start hook", v.once(v.emperorHooks(hooks.VassalsStart))},
		{"as-vassal hooks", v.once(v.emperorHooks(hooks.AsVassal))},
		{"become the operator's program", v.once(v.becomeForeign)},
		{"inherit sockets", v.once(v.inherit)},
		{"parse options", v.parse},
		{"find the program of the terminal", v.findTerminal},
		{"start directory", v.startDirectory},
		{"name the process", v.nameProcess},
		{"asap hooks", v.hooks(hooks.Asap)},
		{"pre-jail hooks", v.hooks(hooks.PreJail)},
		{"become another program, privileged", v.rootPatch},
		{"in-jail hooks", v.hooks(hooks.InJail)},
		{"post-jail hooks", v.postJail},
		{"wait for interfaces", v.waitForInterfaces},
		{"wait for files", v.waitFor(func(w config.Waits) []config.Wait { return w.Paths })},
		{"as-root hooks", v.hooks(hooks.AsRoot)},
		{"write pid file", v.writePidfile("pidfile", func(o *config.Vassal) string { return o.Pidfile })},
		{"bind shared sockets", v.bindShared},
		{"drop privileges", v.dropPrivileges},
		{"as-user hooks", v.asUser},
		{"write second pid file", v.writePidfile("pidfile2", func(o *config.Vassal) string { return o.Pidfile2 })},
		{"wait for sockets", v.waitFor(func(w config.Waits) []config.Wait { return w.Sockets })},
		{"change directory", v.chdir},
		{"bind sockets", v.bind},
		{"bind the terminal's socket", v.bindTerminal},
		{"become another program", v.binaryPatch},
		{"pre-app hooks", v.hooks(hooks.PreApp)},
		{"post-app hooks", v.hooks(hooks.PostApp)},
		{"keep the directory that hooks chose", v.noteMove},
	}
}

// Run boots, serves until it is told to stop and returns nil, or returns what
// kept it from booting, or from going on. With a fallback configuration this
// process then becomes the same program with that, and Run does not return.
func (v *Vassal) Run(ctx context.Context) error {
	v.boots, v.stopBoot = context.WithCancelCause(ctx)
	defer v.stopBoot(nil)
	err := v.fallBack(v.run(v.boots))
	v.lament(err)
	return err
}

func (v *Vassal) run(ctx context.Context) (err error) {
	defer func() { v.outbox.Flush(lastWords) }()
	defer v.removeFiles()
	defer v.closeSockets()
	defer v.atexit()
	defer v.holdInherited()
	err = v.boot(ctx, v.steps())
	v.progress.at("its end", true)
	if errors.Is(err, errStopped) {
		return nil
	} else if err != nil {
		return err
	}
	return v.serve()
}

// boot takes the steps. When the vassal was told to stop meanwhile the result is
// errStopped, whatever the step says that was under way: the listener has taken
// the order, and nobody will see it again.
func (v *Vassal) boot(ctx context.Context, steps []step) error {
	for _, s := range steps {
		v.Log.Debug(s.name)
		v.progress.begin(s.name)
		err := s.run(ctx)
		if errors.Is(context.Cause(ctx), errStopped) {
			return errStopped
		}
		if err != nil {
			return err
		}
	}
	v.unlisten()
	if errors.Is(context.Cause(ctx), errStopped) {
		return errStopped
	}
	return nil
}

// seal lets no descriptor but stdio through any execve from here on, and takes
// the emperor's two out of the environment.
func (v *Vassal) seal(context.Context) error {
	if err := namespaces.CloseOnExecFrom(3); err != nil {
		return err
	}
	v.began, _ = os.Getwd()
	if found, err := v.resume(); err != nil || found {
		return err
	}
	if fd, ok, err := takeFD(wire.PipeEnv); err != nil {
		return err
	} else if ok {
		v.pipe = newPipe(fd)
		if err := v.pipe.report(wire.Spawned); err != nil {
			return err
		}
	}
	if path, ok := os.LookupEnv("NOTIFY_SOCKET"); ok && v.pipe != nil {
		v.notifyVars = []string{"NOTIFY_SOCKET=" + path}
	}
	fd, ok, err := takeFD(wire.OrderEnv)
	if ok {
		v.parking = fd
		err = errors.Join(err, restoreProcs())
	}
	return err
}

// restoreProcs takes away from the environment what the emperor has put there
// for this process alone.
func restoreProcs() error {
	if procs, ok := os.LookupEnv(wire.ProcsEnv); ok {
		return errors.Join(os.Setenv(procsKey, procs), os.Unsetenv(wire.ProcsEnv))
	}
	return os.Unsetenv(procsKey)
}

// procsKey bounds the threads of a program in Go.
const procsKey = "GOMAXPROCS"

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

func (v *Vassal) prepareMounts(context.Context) error {
	if v.order == nil || v.order.Namespaces == "" {
		return nil
	}
	made, err := namespaces.ParseFlags(v.order.Namespaces)
	if err != nil {
		return err
	}
	v.ownProc = made.Has(namespaces.NewMount) && made.Has(namespaces.NewPID) && made.Has(namespaces.NewNet)
	return namespaces.PrepareMounts(made)
}

// parse reads the bytes of the order, or the command line where there is none.
func (v *Vassal) parse(context.Context) (err error) {
	v.options, err = v.read(v.order)
	switch {
	case err != nil && v.order == nil && v.pipe == nil && v.resumed == nil:
		return usageError{err}
	case err != nil:
		return err
	}
	if err := v.becomeTwin(); err != nil {
		return err
	}
	return v.setEnvironment(v.options)
}

// parsed reads the bytes of an order; nil: what is given on the command line.
func (v *Vassal) parsed(order *wire.Order) (*config.Vassal, config.Problems, error) {
	if v.resumed == nil && order == nil {
		return v.Parse(v.access())
	}
	if v.resumed != nil && order == v.order {
		in, err := v.fallbackInput()
		if err != nil {
			return nil, nil, err
		}
		return in.Parse()
	}
	return v.input(order).Parse()
}

func (v *Vassal) waitForInterfaces(ctx context.Context) error {
	names, timeout := v.options.WaitForInterface, v.options.WaitForInterfaceTimeout
	if len(names) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := namespaces.WaitForLinks(ctx, names, v.progress.missing)
	var missing *namespaces.MissingLinksError
	if errors.As(err, &missing) {
		return v.options.Blame("wait-for-interface", "", fmt.Errorf("after %v there is %w", timeout, err))
	}
	return err
}

func (v *Vassal) chdir(context.Context) error {
	if v.options.UmaskSet {
		unix.Umask(v.options.Umask)
	}
	var err error
	if v.home, err = os.Getwd(); err != nil && v.options.Chdir != "" && !filepath.IsAbs(v.options.Chdir) {
		return fmt.Errorf("cannot find working directory: %w", err)
	}
	if dir := v.options.Chdir; dir != "" {
		if err := enter(dir); err != nil {
			return v.options.Blame("chdir", "", err)
		}
	}
	v.arrived, _ = os.Getwd()
	return nil
}
