package vassal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
	"github.com/emperor-go/emperor/pkg/wire"
)

// read parses the bytes of an order. Nil: of the order in effect, or the command line.
func (v *vassal) read(order *wire.Order) (*config.Vassal, error) {
	if order == nil {
		order = v.source.order
	}
	o, warnings, err := v.reader.parse(&v.source, order)
	for _, w := range warnings {
		v.log.Warn(w.Error())
	}
	if err == nil && order != nil && order.Tenant == nil && order.RefuseRoot && os.Geteuid() == 0 {
		if p, ok := o.Unnamed(v.source.fileOf(order, o)); ok {
			return nil, config.Problems{p}
		}
	}
	if err == nil && order != nil {
		if p, ok := o.Exceeding(order.Capabilities); ok {
			return nil, config.Problems{p}
		}
	}
	return o, err
}

// reread reads the options of a reload: of an order with other bytes or, for nil, of the file as
// it is now, where no emperor gave an order. It runs beside the master and changes nothing.
// prepare, in the master's loop, makes the plan of them.
func (v *vassal) reread(order *wire.Order) (prepare func() (*workers.Plan, error)) {
	o, err := v.read(order)
	return func() (*workers.Plan, error) {
		if err != nil {
			return nil, err
		}
		return v.prepare(order, o)
	}
}

// prepare makes the plan of a reload with other options.
func (v *vassal) prepare(order *wire.Order, o *config.Vassal) (*workers.Plan, error) {
	if err := v.source.allows(order, v.options, o, v.log); err != nil {
		return nil, err
	}
	if o.Triggers.Exit { // before its sockets are bound: the old program may have the port
		return nil, fmt.Errorf("%w: exit-on-reload", workers.ErrAnew)
	}
	if what, asked := wantsNative(o); asked && !hooks.IsNative {
		return nil, fmt.Errorf("%w: %s needs C functions", workers.ErrAnew, what)
	}
	before := v.sockets.sets
	sets, made, err := v.sockets.bindSets(o, before)
	if errors.Is(err, unix.EADDRINUSE) && (crowded(distinct(before), o.Sockets) || occupied(o.Sockets)) {
		return nil, fmt.Errorf("%w: %w", workers.ErrAnew, err)
	}
	if err != nil {
		return nil, err
	}
	p, err := v.planOf(o, sets)
	if err != nil {
		closeAll(made)
		return nil, err
	}
	if s := givenUp(before, sets); s != nil && !o.HandsOver() {
		closeAll(made)
		return nil, fmt.Errorf("%w: a program may bind %s itself", workers.ErrAnew, s.Address)
	}
	p.Candidate.Unchanged = v.source.fallback == nil && len(config.Diff(v.options, o)) == 0
	p.Candidate.Commit = func() { v.commit(order, o, sets) }
	p.Candidate.Discard = func() { closeAll(made) }
	return p, nil
}

// allows returns an error with the first option whose change a running vassal cannot take over, whatever file
// it stands in. The emperor compares only the vassal's own file, and reads neither the files that it includes
// nor a fallback configuration.
func (s *source) allows(order *wire.Order, before, after *config.Vassal, log *slog.Logger) error {
	for _, d := range config.Diff(before, after) {
		switch {
		case d.Change != config.Respawn, s.fallback != nil && d.Option == "fallback-config":
		case order != nil && s.fallback != nil:
			return fmt.Errorf("%w: %s is different in the fallback", workers.ErrAnew, d.Option)
		case order != nil || s.order != nil:
			return fmt.Errorf("%w: %s has changed", workers.ErrAnew, d.Option)
		default:
			log.Warn("the change takes effect when the vassal is started again", "option", d.Option)
		}
	}
	return nil
}

// commit puts a reload into effect.
func (v *vassal) commit(order *wire.Order, o *config.Vassal, sets [][]*sockets.Socket) {
	v.sockets.replace(sets)
	v.options = o
	if order != nil {
		v.source.order = order
		if v.source.fallback != nil {
			v.source.fallback, v.source.tried = nil, nil
			v.log.Info("back from the fallback configuration")
			v.link.answer(0, wire.Fallback, "")
		}
	}
	v.source.reportAddresses(&v.link, o)
	if err := v.env.set(o); err != nil {
		v.log.Error("hooks keep the old environment", "error", err)
	}
	if err := enter(v.dirs.of(o)); err != nil {
		v.log.Error("hooks keep the old working directory", "error", err)
	}
}

// bind binds the sockets of the boot.
func bind(to *listeners, from *source, l *link) optionStep {
	return func(_ context.Context, o *config.Vassal) error {
		if err := to.bind(o); err != nil {
			return err
		}
		from.reportAddresses(l, o)
		return nil
	}
}

// reportAddresses reports the addresses of a fallback configuration, which the emperor has not
// read.
func (s *source) reportAddresses(l *link, o *config.Vassal) {
	if s.fallback != nil {
		l.reportAddresses(o)
	}
}

// crowded reports whether existing sockets prevent wanted ones from being bound.
func crowded(have []*sockets.Socket, wanted []config.Socket) bool {
	return slices.ContainsFunc(wanted, func(w config.Socket) bool {
		return slices.ContainsFunc(have, func(s *sockets.Socket) bool { return s.Address != w.Address && s.Crowds(w.Address) })
	})
}

// givenUp returns a socket of clients that a reload does not keep; nil: there is none. It stays
// bound until the reload has succeeded.
func givenUp(have, kept [][]*sockets.Socket) *sockets.Socket {
	keeps := distinct(kept)
	for _, s := range distinct(have) {
		if s.Front() == nil && !slices.Contains(keeps, s) {
			return s
		}
	}
	return nil
}

// occupied reports whether a process that this vassal has started listens on a port that is
// wanted: its end frees the port.
func occupied(wanted []config.Socket) bool {
	for _, w := range wanted {
		a, err := address.Parse(w.Address)
		if err != nil || a.Path != "" || a.Port == 0 {
			continue
		}
		inodes, err := namespaces.Listeners(a.Port)
		if own, _ := namespaces.HasSocket(os.Getpid(), inodes...); err != nil || own {
			continue
		}
		for _, pid := range namespaces.Tree(os.Getpid()) {
			if has, _ := namespaces.HasSocket(pid, inodes...); has {
				return true
			}
		}
	}
	return false
}
