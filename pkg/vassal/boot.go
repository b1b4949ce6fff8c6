package vassal

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// step is one named part of the boot.
type step struct {
	name string
	run  func(context.Context) error
}

// The other forms of a step name their input: the emperor's order, or the options of the vassal. The list of the
// steps names the parts of the vassal that a step reads and changes: as its parameters, or as the receiver of its
// method. Three steps concern nearly all parts: "seal descriptors" takes over the state of the previous program, and
// the two that parse put the options into effect, or begin again as another program.
type (
	orderStep  = func(context.Context, *wire.Order) error
	optionStep = func(context.Context, *config.Vassal) error
)

// steps returns the boot, in the order of uWSGI's phases. The first failure ends it, and no
// later step runs.
func (v *vassal) steps() []step {
	t := tenancy{v}
	return []step{
		{"seal descriptors", v.seal},
		{"wait for the order", awaitOrder(&v.link, &v.source, &v.sockets)},
		{"listen to the emperor", listen(&v.signals, &v.link, &v.progress, v.log, v.quit)},
		{"load the emperor's libraries", v.ordered(operatorLibraries(&v.progress, v.log))},
		{"prepare mounts", v.ordered(prepareMounts(v.log))},
		{"as-vassal-before-drop hooks", v.ordered(v.hooks.operator(hooks.AsVassalBeforeDrop))},
		{"limit capabilities", v.ordered(limitCapabilities)},
		{"vassals-start hook", t.without(v.ordered(v.hooks.operator(hooks.VassalsStart)))},
		{"as-vassal hooks", t.without(v.ordered(v.hooks.operator(hooks.AsVassal)))},
		{"become the operator's program", t.without(v.ordered(becomeForeign(v.input, &v.link)))},
		{"inherit sockets", v.once(v.sockets.inherit)},
		{"parse options", v.parse},
		{"start directory", v.given(startDirectory)},
		{"name the process", v.given(v.source.nameProcess)},
		{"check namespaces", t.privileged(v.source.checkNamespaces)},
		{"make directories", t.privileged(makeDirectories(&v.source, &v.env))},
		{"asap hooks", t.privileged(v.hooks.own(hooks.Asap))},
		{"pre-jail hooks", t.privileged(v.hooks.own(hooks.PreJail))},
		{"become another program, privileged", t.privileged(rootPatch(v.successor()))},
		{"in-jail hooks", t.privileged(v.hooks.own(hooks.InJail))},
		{"post-jail hooks", t.privileged(v.hooks.postJail)},
		{"change the root directory", v.ordered(changeRoot(&v.programs, &v.sockets, v.log))},
		{"wait for interfaces", t.privileged(v.progress.awaitInterfaces)},
		{"wait for files", t.privileged(v.progress.await(pathsOf(false)))},
		{"as-root hooks", t.privileged(v.hooks.own(hooks.AsRoot))},
		{"write pid file", t.privileged(v.pidfiles.write("pidfile", func(o *config.Vassal) string { return o.Pidfile }))},
		{"bind shared sockets", t.privileged(v.sockets.bindShared)},
		{"open namespaces for others", v.given(v.sockets.gate.open)},
		{"limit resources", v.given(limitResources(&v.source))},
		{"drop privileges", v.given(dropPrivileges(&v.source, &v.env, v.log))},
		{"no new privileges", v.given(noNewPrivileges)},
		{"restrict files and ports", v.given(restrictFiles(&v.link, &v.programs))},
		{"filter system calls", v.given(filterCalls(&v.source))},
		{"home directory of the owner", t.only(v.given(enterHome(&v.source)))},
		{"vassals-start hook, as the owner", t.only(v.ordered(v.hooks.operator(hooks.VassalsStart)))},
		{"as-vassal hooks, as the owner", t.only(v.ordered(v.hooks.operator(hooks.AsVassal)))},
		{"become the operator's program, as the owner", t.only(v.ordered(becomeForeign(v.input, &v.link)))},
		{"parse all options, as the owner", t.only(t.parseAll)},
		{"name the process, as the owner", t.only(v.given(v.source.nameProcess))},
		{"start directory, as the owner", t.only(v.given(startDirectory))},
		{"restrictions of the tenant", t.only(v.given(restrictTenant(&v.source, &v.link, &v.programs)))},
		{"wait for the tenant's interfaces", t.only(v.given(v.progress.awaitInterfaces))},
		{"wait for the tenant's files", v.given(v.progress.await(pathsOf(true)))},
		{"as-user hooks", v.given(asUser(&v.stage, &v.hooks))},
		{"write second pid file", v.given(v.pidfiles.write("pidfile2", func(o *config.Vassal) string { return o.Pidfile2 }))},
		{"wait for sockets", v.given(v.progress.await(func(w config.Waits) []config.Wait { return w.Sockets }))},
		{"change directory", v.given(v.dirs.change)},
		{"bind sockets", v.given(bind(&v.sockets, &v.source, &v.link))},
		{"bind the terminal's socket", v.given(v.sockets.bindTerminal)},
		{"bind the socket for namespaces", v.given(v.sockets.bindGate)},
		{"become another program", v.given(binaryPatch(v.successor()))},
		{"pre-app hooks", v.given(v.hooks.own(hooks.PreApp))},
		{"post-app hooks", v.given(v.hooks.own(hooks.PostApp))},
		{"keep the directory that hooks chose", v.given(v.dirs.keep)},
	}
}

// once is a step of the first program of this process. Its effect is still there in a later
// one.
func (v *vassal) once(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if v.source.later {
			return nil
		}
		return run(ctx)
	}
}

// ordered is a step for the emperor, which only the first program of this process executes.
// Without an emperor it does nothing.
func (v *vassal) ordered(run orderStep) func(context.Context) error {
	return v.once(func(ctx context.Context) error {
		if v.source.order == nil {
			return nil
		}
		return run(ctx, v.source.order)
	})
}

// given is a step whose input are the options.
func (v *vassal) given(run optionStep) func(context.Context) error {
	return func(ctx context.Context) error { return run(ctx, v.options) }
}

// boot executes the steps. When the vassal was asked to stop in the meantime it returns
// errStopped, whatever the running step returns: the listener has received the stop, and no
// later code will see it again.
func (v *vassal) boot(ctx context.Context, steps []step) error {
	for _, s := range steps {
		v.log.Debug(s.name)
		v.progress.begin(s.name)
		err := s.run(ctx)
		if errors.Is(context.Cause(ctx), errStopped) {
			return errStopped
		}
		if err != nil {
			return err
		}
	}
	if v.signals.end().stop {
		return errStopped
	}
	return nil
}

// seal marks all descriptors except stdio as close-on-exec. Then it takes over the state of
// the previous program of this process, or the descriptors of the emperor.
func (v *vassal) seal(context.Context) error {
	if err := namespaces.CloseOnExecFrom(3); err != nil {
		return err
	}
	v.reader.began, _ = os.Getwd()
	left, err := inheritedState()
	switch {
	case err != nil:
		return err
	case left != nil:
		return v.takeOver(left)
	}
	return v.link.open()
}

// awaitOrder parks the process until the emperor's order, and keeps its sockets.
func awaitOrder(l *link, from *source, sockets *listeners) func(context.Context) error {
	return func(context.Context) error {
		order, err := l.await()
		if err != nil || order == nil {
			return err
		}
		from.order = order
		sockets.takePassed(order.Sockets)
		return nil
	}
}

// listen lets the emperor and the operator end a long boot. From here on no signal is lost,
// although the first process of a pid namespace gets only signals that it handles
// (pid_namespaces(7)).
func listen(signals *bootSignals, l *link, at *progress, log *slog.Logger, quit func(why string)) func(context.Context) error {
	return func(context.Context) error {
		signals.ask()
		l.receiveCommands()
		at.watch(l.reportWait, log)
		signals.begin(l.commands, at, quit)
		return nil
	}
}

// quit ends this process in any state. A boot that was stopped is no failure.
func (v *vassal) quit(why string) {
	v.log.Warn("ends while booting: "+why, "waiting for", v.progress.where())
	v.printed()
	v.exit(0)
}

// parse reads the bytes of the order, or the command line without an order.
func (v *vassal) parse(context.Context) (err error) {
	v.reader.demand = v.sockets.demanded()
	if v.source.tenant() != nil {
		err = tenancy{v}.parseOperators()
	} else {
		v.options, err = v.read(nil)
	}
	switch {
	case err != nil && v.source.order == nil && v.link.pipe == nil && v.source.fallback == nil:
		return usageError{err}
	case err != nil:
		return err
	}
	v.progress.setMercy(v.options.ReloadMercy)
	if err := v.becomeTwin(); err != nil {
		return err
	}
	return v.env.set(v.options)
}
