package emperor

import (
	"errors"
	"strings"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/wire"
)

// StartedAgain is in the reason of a failed reload for which the old workers had been ended, behind
// the end of the new worker.
const StartedAgain = wire.StartedAgain

// applyWanted moves a vassal towards its wanted configuration.
func (e *Emperor) applyWanted(v *vassal) {
	is, was := v.wish.wanted, v.run.config
	way := edit{
		state: v.state, desired: v.wish.desired(), paused: v.outcome.paused != nil, same: is.same(was), refused: is.Version == v.outcome.refused,
		sameContent: is.Version.Hash == was.Version.Hash, sameOwner: is.UID == was.UID && is.GID == was.GID, incomparable: e.options.Compare == nil,
		otherProfile: !is.Filtered.same(was.Filtered),
	}.decide()
	switch way {
	case takeNothing:
	case takeAsRunning:
		v.run.config = is
	case takeInPlace:
		e.input(v, Refresh)
	case takeCompared:
		a := generationOf{v, v.run.generation}
		e.group.Go(func() { e.post(compared{a, is.Version, e.options.Compare(was.Config, is.Config)}) })
	case takeAnewOwner:
		v.log.Info("its file has another owner: a new process is needed", "uid", is.UID, "gid", is.GID)
		v.note(AboutReload, "its file has another owner, a new process is needed")
		e.replaceProcess(v)
	case takeAnewProfile:
		v.log.Info(profileChanged + ": a new process is needed")
		v.note(AboutReload, "%s, a new process is needed", profileChanged)
		e.replaceProcess(v)
	case takeAnew, takeByNext:
		v.demand.edited = v.demand.activation != nil && way == takeByNext
		e.replaceProcess(v)
	}
}

// compared: the class of a change is known.
type compared struct {
	generationOf
	version monitor.Version
	change  Change
}

func (c compared) apply(e *Emperor) {
	at := c.effort(c.version)
	at.adjusting = c.v.run.adjusting
	if at.isVoid(c.v) {
		return
	}
	options := strings.Join(c.change.Options, ", ")
	if c.change.Respawn {
		c.v.log.Info("changed options need a new process", "options", options)
		c.v.note(AboutReload, "changed options need a new process: %s", options)
		e.replaceProcess(c.v)
		return
	}
	if len(c.change.Live) > 0 {
		c.v.log.Info("changing "+subject(c.change.Live), "options", strings.Join(c.change.Live, ", "))
		c.v.note(AboutReload, "changed options: %s", strings.Join(append(c.change.Live, c.change.Options...), ", "))
		e.adjust(c.v, subject(c.change.Live), options != "")
		return
	}
	c.v.log.Info("reloading with its new configuration", "options", options)
	if options == "" {
		options = "none that counts"
	}
	c.v.note(AboutReload, "changed options: %s", options)
	e.input(c.v, Refresh)
}

// reload asks the process to take over the wanted configuration.
func reload(o *Options, v *vassal) {
	a, serial, plan, process := generationOf{v, v.run.generation}, v.run.serial, v.run.ordered, v.run.process
	v.group.Go(func() {
		if err := process.Reload(*plan, serial); err != nil {
			v.post(reloadNotSent{a, serial, err})
		}
	})
	if o.ReloadTimeout > 0 {
		v.arm(o.ReloadTimeout)
	}
}

// reloadNotSent: a process cannot be asked to reload.
type reloadNotSent struct {
	generationOf
	serial uint64
	err    error
}

func (d reloadNotSent) apply(e *Emperor) {
	if !d.stale() && d.v.run.serial == d.serial {
		d.v.run.answer.notSent = d.err
		e.input(d.v, Unable)
	}
}

// errNoAnswer is the error of a reload without an answer of the vassal.
var errNoAnswer = errors.New("the vassal did not answer in time")

// taken records the end of a reload, and checks whether a newer configuration waits.
func (e *Emperor) taken(v *vassal) {
	v.log.Info("reloaded", "serial", v.run.serial, "config", v.run.ordered.Version.Short())
	v.setFault(nil)
	v.arm(e.options.Backoff.Reset)
	e.applyWanted(v)
}

// takenLate is taken, for a reload that counted as failed meanwhile.
func takenLate(e *Emperor, v *vassal) {
	v.realign()
	e.taken(v)
}

// refused reports a failed reload, and checks whether a newer configuration waits.
func (e *Emperor) refused(v *vassal) {
	what := "cannot reload; the vassal continues as before"
	if v.history.reload.undone {
		what = "cannot reload; the old configuration was started again"
	}
	v.log.Error(what, "error", v.history.reload.err, "serial", v.run.serial)
	v.arm(e.options.Backoff.Reset)
	if !v.run.ordered.sameLive(v.run.config) {
		v.realign()
	}
	e.applyWanted(v)
}

// reloadAll asks every serving vassal to reload, a limited number at a time.
func (e *Emperor) reloadAll() {
	e.round.begun++
	var again []*vassal
	n := 0
	for _, v := range e.vassals.sorted() {
		if !v.takes(Refresh) || e.round.contains(v) {
			continue
		}
		if n++; v.parent == nil && e.options.Check != nil {
			again = append(again, v)
		} else {
			e.round.add(v)
		}
	}
	e.options.Log.Info("reloading all", "vassals", n)
	if len(again) > 0 {
		e.recheck(again)
	}
}

// reloadNext starts the next reloads of a round while there is room.
func (e *Emperor) reloadNext() {
	for _, v := range e.round.next(e.options.Concurrency) {
		e.input(v, ReloadAsked)
	}
}
