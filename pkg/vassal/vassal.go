// Package vassal runs inside the namespaces: it boots a process that an emperor has cloned,
// step by step, and then supervises its workers. boot.go has the steps as a list.
package vassal

import (
	"context"
	"errors"
	"log/slog"

	"github.com/emperor-go/emperor/pkg/config"
)

// vassal is a process on its way from the clone to serving. Each part has one concern; the
// steps of the boot get the parts that they read and change.
type vassal struct {
	input
	programs ownPrograms
	link     link
	reader   reader
	source   source
	options  *config.Vassal // in effect; nil before they are parsed
	sockets  listeners
	env      environment
	dirs     directories
	pidfiles pidfiles
	signals  bootSignals
	progress progress
	hooks    hookRunner
	stage    stage
}

// input has the arguments and descriptors of this process. Nothing changes it.
type input struct {
	// args is the command line, without the name of the program.
	args []string
	// log gets all messages. Required.
	log *slog.Logger
	// printed waits briefly until all lines of log are written. Required.
	printed func()
	// exit ends this process. Required.
	exit func(code int)
}

// stage decides which hooks of the end run when the process ends, and which code runs them.
type stage int

const (
	stageBoot    stage = iota // no hooks of the end
	stageDropped              // privileges are dropped: atexit runs them when the boot fails
	stageServing              // the master runs them
)

// errStopped is the cause of a boot that was asked to stop. It is no failure.
var errStopped = errors.New("stopped while booting")

// usageError is a mistake on the command line, or in a file that it names, of a vassal without
// an emperor.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func newVassal(in input, own ownPrograms) *vassal {
	v := &vassal{input: in, programs: own}
	v.link.log, v.sockets.log, v.sockets.terminal.program = in.log, in.log, own.helper
	v.reader.args, v.reader.programs, v.reader.reading = in.args, &v.programs, v.progress.reading
	v.hooks = hookRunner{programs: &v.programs, source: &v.source, link: &v.link, progress: &v.progress, log: in.log}
	return v
}

// run boots and serves until the process is asked to stop. It returns nil, or the error that
// ended the boot or the service. With a fallback configuration this process executes the same
// program with that, and run does not return.
func (v *vassal) run(ctx context.Context) error {
	alive, kill := context.WithCancel(ctx)
	defer kill()
	ctx, stop := context.WithCancelCause(alive)
	defer stop(nil)
	v.signals.stop, v.signals.kill = stop, kill
	v.hooks.alive, v.reader.until = alive, ctx
	err := v.fallBack(v.live(ctx))
	v.link.reportFailure(err)
	return err
}

func (v *vassal) live(ctx context.Context) error {
	defer func() { v.link.orders.Flush(flushWait) }()
	defer func() { v.pidfiles.remove(v.options) }()
	defer func() { v.sockets.close(v.link.pipe.Held()) }()
	defer v.atexit()
	defer v.sockets.hold()
	err := v.boot(ctx, v.steps())
	v.progress.at("its end", true)
	if errors.Is(err, errStopped) {
		return nil
	} else if err != nil {
		return err
	}
	return v.serve()
}
