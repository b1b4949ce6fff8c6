// Package vassal runs inside the namespaces: it boots a process that an emperor has cloned,
// step by step, and then supervises its workers.
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

	"github.com/emperor-go/emperor/internal/goprocs"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Vassal is this process on its way from the clone to serving. Run is called once, from the
// main goroutine, which must be locked to the main thread: the death signals of workers belong
// to that thread.
type Vassal struct {
	// Parse returns the options when no emperor gave an order: from the command line, with
	// that access. Required.
	Parse func(config.Access) (*config.Vassal, config.Problems, error)
	// ServerProgram is the path of the built-in server. Required for static-map.
	ServerProgram string
	// ParserProgram is the path of the program that reads YAML and XML. Required for these.
	ParserProgram string
	// SelfProgram is the path of the vassal program, for its worker stage.
	SelfProgram string
	// TwinProgram is the path of the same program that can call C functions. Empty: it does
	// not exist, or it is this program.
	TwinProgram string
	// Fallback returns the fallback-config of the command line, even when Parse fails. Nil:
	// none.
	Fallback func(config.Access) string
	// Exit ends this process. Required.
	Exit func(code int)
	// Log gets all messages. Required.
	Log *slog.Logger
	// Printed waits briefly until all lines of Log are written. Nil: lines are written at
	// once.
	Printed func()

	pipe       *pipe       // to the emperor; nil without one
	order      *wire.Order // the order in effect; nil without an emperor
	parking    int         // the descriptor for the first order; 0: none
	orders     *wire.VassalEnd
	options    *config.Vassal
	sets       [][]*sockets.Socket // each in the order of LISTEN_FDS: for all workers, or for one
	shared     []*sockets.Socket   // bound before the drop; =N refers to one
	early      []*sockets.Socket   // the sockets of routers, also bound before the drop
	inherited  []*sockets.Socket   // from the parent of this process
	kept       []*sockets.Socket   // of the generation before, until all are bound
	terminal   *sockets.Socket     // its socket for clients; nil: none
	terminalAt string              // its address; for a path the absolute one
	files      []madeFile
	dropped    bool
	hookVars   []string
	ownProc    bool               // a /proc and a network of its own: the emperor's path to the network is invalid here
	home       string             // the working directory before the options' own
	arrived    string             // the working directory of the options
	moved      *move              // nil: hooks have not changed it
	replaced   map[string]*string // the environment without the options' changes; nil: no such variable
	base       []string           // the environment for reading configurations; nil: none was read yet

	ptyProgram string // found before the drop

	began   string            // the directory in which this process was started
	tried   []string          // the fallbacks that this process has used
	resumed *legacy           // of the previous program; nil: this is the first, or its bytes are in effect again
	held    []*sockets.Socket // inherited ones, for the next program
	twin    bool              // the emperor's phases are complete; this program took over for its C functions
	later   <-chan wire.Order
	hearing <-chan struct{} // closed when no later message can come; nil: no listener

	wished       bool // a reload was requested during the boot; the listener owns it until it is done
	unprivileged bool // the hooks of the end are due
	serving      bool // the master has taken over

	// notifyVars tell a program that replaces this one where to notify the emperor
	// (sd_notify(3)).
	notifyVars []string

	progress progress
	stopped  atomic.Bool     // this process was told to stop while it booted
	boots    context.Context // ends with that
	stopBoot context.CancelCauseFunc
	signals  chan os.Signal
	commands <-chan wire.Command
	booted   chan struct{} // closed when the boot no longer listens
	listener chan struct{} // closed when the boot's listener has ended
}

// errStopped is the cause of a boot that was told to stop. It is no failure.
var errStopped = errors.New("stopped while booting")

// ErrWithdrawn is returned by Run when the emperor cancelled the launch while this process was
// parked. It is no failure.
var ErrWithdrawn = wire.ErrWithdrawn

// ErrUsage is wrapped by the error of Run about a wrong command line, or a file that it names,
// when no emperor has started this process.
var ErrUsage = errors.New("the command line is wrong")

// usageError is an ErrUsage with the text of its cause.
type usageError struct{ error }

func (u usageError) Unwrap() []error { return []error{u.error, ErrUsage} }

// step is one named part of the boot.
type step struct {
	name string
	run  func(context.Context) error
}

// steps returns the boot, in the order of uWSGI's phases. The first failure ends it, and no
// later step runs.
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

// Run boots and serves until it is told to stop. It returns nil, or the error that ended the
// boot or the service. With a fallback configuration this process executes the same program
// with that, and Run does not return.
func (v *Vassal) Run(ctx context.Context) error {
	v.boots, v.stopBoot = context.WithCancelCause(ctx)
	defer v.stopBoot(nil)
	err := v.fallBack(v.run(v.boots))
	v.lament(err)
	return err
}

func (v *Vassal) run(ctx context.Context) (err error) {
	defer func() { v.orders.Flush(lastWords) }()
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

// boot executes the steps. When the vassal was told to stop in the meantime it returns
// errStopped, whatever the running step returns: the listener has received the stop, and no
// later code will see it again.
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

// seal marks all descriptors except stdio as close-on-exec, and removes the emperor's two from
// the environment.
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
		err = errors.Join(err, goprocs.Restore())
	}
	return err
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

// parse reads the bytes of the order, or the command line without an order.
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

// parsed reads the bytes of an order; nil: the command line.
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
