package vassal

import (
	"context"
	"errors"
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

// The other forms of a step name their input: the emperor's order, or the options of the
// vassal. A step changes the receiver of its function, and nothing else: v.dirs, v.sockets,
// v.pidfiles; a step of v itself changes several parts.
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
		{"wait for the order", v.awaitOrder},
		{"listen to the emperor", v.listen},
		{"load the emperor's libraries", v.ordered(v.operatorLibraries)},
		{"prepare mounts", v.ordered(files{v}.prepare)},
		{"as-vassal-before-drop hooks", v.ordered(v.hooks.operator(hooks.AsVassalBeforeDrop))},
		{"limit capabilities", v.ordered(limitCapabilities)},
		{"vassals-start hook", t.without(v.ordered(v.hooks.operator(hooks.VassalsStart)))},
		{"as-vassal hooks", t.without(v.ordered(v.hooks.operator(hooks.AsVassal)))},
		{"become the operator's program", t.without(v.ordered(v.becomeForeign))},
		{"inherit sockets", v.once(v.sockets.inherit)},
		{"parse options", v.parse},
		{"start directory", v.given(startDirectory)},
		{"name the process", v.given(v.source.nameProcess)},
		{"check namespaces", t.privileged(v.source.checkNamespaces)},
		{"make directories", t.privileged(v.makeDirectories)},
		{"asap hooks", t.privileged(v.hooks.own(hooks.Asap))},
		{"pre-jail hooks", t.privileged(v.hooks.own(hooks.PreJail))},
		{"become another program, privileged", t.privileged(v.rootPatch)},
		{"in-jail hooks", t.privileged(v.hooks.own(hooks.InJail))},
		{"post-jail hooks", t.privileged(v.hooks.postJail)},
		{"change the root directory", v.ordered(files{v}.changeRoot)},
		{"wait for interfaces", t.privileged(v.progress.awaitInterfaces)},
		{"wait for files", t.privileged(v.progress.await(pathsOf(false)))},
		{"as-root hooks", t.privileged(v.hooks.own(hooks.AsRoot))},
		{"write pid file", t.privileged(v.pidfiles.write("pidfile", func(o *config.Vassal) string { return o.Pidfile }))},
		{"bind shared sockets", t.privileged(v.sockets.bindShared)},
		{"open namespaces for others", v.given(v.sockets.gate.open)},
		{"limit resources", v.given(v.limitResources)},
		{"drop privileges", v.given(v.dropPrivileges)},
		{"no new privileges", v.given(noNewPrivileges)},
		{"restrict files and ports", v.given(v.restrictFiles)},
		{"filter system calls", v.given(filterCalls)},
		{"home directory of the owner", t.only(v.given(t.enterHome))},
		{"vassals-start hook, as the owner", t.only(v.ordered(v.hooks.operator(hooks.VassalsStart)))},
		{"as-vassal hooks, as the owner", t.only(v.ordered(v.hooks.operator(hooks.AsVassal)))},
		{"become the operator's program, as the owner", t.only(v.ordered(v.becomeForeign))},
		{"parse all options, as the owner", t.only(t.parseAll)},
		{"name the process, as the owner", t.only(v.given(v.source.nameProcess))},
		{"start directory, as the owner", t.only(v.given(startDirectory))},
		{"restrictions of the tenant", t.only(v.given(t.restrict))},
		{"wait for the tenant's interfaces", t.only(v.given(v.progress.awaitInterfaces))},
		{"wait for the tenant's files", v.given(v.progress.await(pathsOf(true)))},
		{"as-user hooks", v.given(v.asUser)},
		{"write second pid file", v.given(v.pidfiles.write("pidfile2", func(o *config.Vassal) string { return o.Pidfile2 }))},
		{"wait for sockets", v.given(v.progress.await(func(w config.Waits) []config.Wait { return w.Sockets }))},
		{"change directory", v.given(v.dirs.change)},
		{"bind sockets", v.given(v.bind)},
		{"bind the terminal's socket", v.given(v.sockets.bindTerminal)},
		{"bind the socket for namespaces", v.given(v.sockets.bindGate)},
		{"become another program", v.given(v.binaryPatch)},
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

// awaitOrder parks the process until the emperor's order.
func (v *vassal) awaitOrder(context.Context) error {
	order, err := v.link.await()
	if err != nil || order == nil {
		return err
	}
	v.source.order = order
	v.sockets.keep(order.Sockets)
	return nil
}

// listen lets the emperor and the operator end a long boot. From here on no signal is lost,
// although the first process of a pid namespace gets only signals that it handles
// (pid_namespaces(7)).
func (v *vassal) listen(context.Context) error {
	v.signals.ask()
	v.link.receiveCommands()
	v.progress.watch(v.link.reportWait, v.log)
	v.signals.begin(v.link.commands, &v.progress, v.quit)
	return nil
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
