package emperor

import "time"

// restReason is the reason why a vassal rests although it should run.
type restReason string

// The reasons, as `why` shows them.
const (
	restExiled   restReason = "it asked to be left alone until its file changes"
	restLeft     restReason = "it stopped by itself"
	restFailures restReason = "it failed too often"
)

// situation is everything on which the decision about the next generation depends.
type situation struct {
	desired   Desired
	zergEnded bool       // it is a zerg that has had its process
	usable    bool       // there is a usable configuration
	rest      restReason // empty: none
	onDemand  bool       // it has a socket for its first connection
	failed    bool       // the last generation failed, and nothing has changed since
	tooOften  bool       // so many did in a row that it rests
	trial     bool       // the configuration of the last generation had replaced one that was ready
	throttled bool       // its file has changed, too soon after the last time
	demand    bool       // vassals may be on demand
	edited    bool       // its configuration has changed while it waited for a connection
	apart     string     // why it cannot have the network of another vassal now; empty: it can
}

// decision is the next input after a generation, or instead of one.
type decision struct {
	input Input
	// reason why the vassal is not launched now. Empty: it is.
	reason string
}

// decide compares the desired state with the last generation. The desired state comes first,
// then the restart policy.
func (s situation) decide() decision {
	rest := s.resting()
	switch {
	case s.desired == Withdrawn, s.zergEnded:
		return decision{input: Forget}
	case rest != "":
		return decision{Rest, rest}
	case s.failed && s.trial:
		return decision{input: Revert}
	case s.throttled:
		return decision{Hold, whyThrottled}
	case s.failed:
		return decision{Wait, "it failed"}
	case s.demand && s.edited:
		return decision{input: SleepEdited}
	case s.demand:
		return decision{input: Sleep}
	}
	return decision{input: Again}
}

// resting returns the reason why the vassal is not launched, or an empty string when it may
// be.
func (s situation) resting() string {
	switch {
	case !s.usable:
		return "there is no usable configuration"
	case s.desired == Held:
		return "stopped by the operator"
	case s.rest == restExiled, s.rest == restLeft && !s.onDemand:
		return string(s.rest)
	case s.rest == restFailures, s.failed && s.tooOften:
		return string(restFailures)
	case s.apart != "":
		return s.apart
	}
	return ""
}

// restAfter returns the reason why a vassal rests after an exit, from the reason before: only an exit that asks
// for exile begins one, and any other exit ends it.
func restAfter(before restReason, exiles bool) restReason {
	switch {
	case exiles:
		return restExiled
	case before == restExiled:
		return ""
	}
	return before
}

// leaving is everything on which it depends whether the end of a process delays the next one.
type leaving struct {
	left   bool          // it stopped by itself
	served time.Duration // from the time when it began to run until its exit
	ago    time.Duration // since its exit
}

// early reports whether the process stopped right after its start, within a moment.
func (e leaving) early(moment time.Duration) bool { return e.left && e.served < moment }

// hasty reports whether that was a moment ago. With a waiting connection the vassal would restart as fast as
// the machine can, so it is delayed like a vassal that fails.
func (e leaving) hasty(moment time.Duration) bool { return e.early(moment) && e.ago < moment }

// edit is everything on which the way to the wanted configuration depends.
type edit struct {
	state        State
	desired      Desired
	paused       bool // an earlier change waits already, and will use the newest file
	same         bool // nothing has changed
	sameContent  bool
	sameOwner    bool
	otherProfile bool // of system calls, which no process can exchange
	refused      bool // the wanted configuration was tried in vain
	incomparable bool // every change needs a new process
}

// takeover is the way in which a vassal gets to its wanted configuration.
type takeover string

const (
	// takeNothing: nothing has to be done now.
	takeNothing takeover = "nothing"
	// takeAsRunning: the process that boots has this configuration.
	takeAsRunning takeover = "as running"
	// takeInPlace: the process takes it over.
	takeInPlace takeover = "in place"
	// takeCompared: that depends on the options that have changed.
	takeCompared takeover = "compared"
	// takeAnew: by a new process. takeAnewOwner: because the file has another owner.
	takeAnew      takeover = "anew"
	takeAnewOwner takeover = "anew, another owner"
	// takeAnewProfile: because the file of its profile has changed.
	takeAnewProfile takeover = "anew, another profile"
	// takeByNext: by the next process, while none runs.
	takeByNext takeover = "by the next process"
)

// decide returns the way. During a reload a vassal first completes it.
func (c edit) decide() takeover {
	switch {
	case c.state == Starting && c.sameContent && c.sameOwner && !c.otherProfile:
		return takeAsRunning
	case c.state == Waiting, c.state == BackingOff:
		return takeByNext
	case !c.state.in(serving), c.desired != Run:
		return takeAnew
	case c.paused, c.state == Reloading, c.same, c.refused:
		return takeNothing
	case !c.sameOwner:
		return takeAnewOwner
	case c.otherProfile:
		return takeAnewProfile
	case c.sameContent:
		return takeInPlace
	case c.incomparable:
		return takeAnew
	}
	return takeCompared
}

// effort is everything on which it depends whether the result of work beside the loop counts: a comparison
// or a check of the wanted configuration.
type effort struct {
	stale     bool // it was for another generation
	desired   Desired
	state     State
	takes     bool // the state takes a new configuration
	newer     bool // another configuration is wanted by now
	adjusting bool // the result would begin a second change of limits and the network; the end of the first compares again
}

// void returns the reason why the result does not count, or an empty string when it does. A changed
// wish and a newer configuration are pursued separately.
func (r effort) void() string {
	switch {
	case r.stale:
		return "there is a new process"
	case r.desired == Withdrawn:
		return "it is to end"
	case !r.takes:
		return "it is " + string(r.state)
	case r.newer:
		return "there is a newer configuration"
	case r.adjusting:
		return "its limits or its network are being changed"
	}
	return ""
}

// aftermath is everything on which the continuation depends after a change of limits and the network, which
// the emperor has made for the wanted configuration.
type aftermath struct {
	failed  bool
	more    bool // the process has to take other options over
	newer   bool // another configuration is wanted by now
	reloads bool // the vassal reloads meanwhile
}

// continuation is the way on after such a change.
type continuation string

const (
	// continueNext: pursue the wanted configuration.
	continueNext continuation = "next"
	// continueFrom: the same, from the configuration of the change.
	continueFrom continuation = "from"
	// continueAnew: half of a configuration is in effect that is not wanted any more: a new process.
	continueAnew continuation = "anew"
	// continueRefused: the change has failed, and the configuration counts as tried in vain.
	continueRefused continuation = "refused"
	// continueReload: the process takes the rest over.
	continueReload continuation = "reload"
	// continueDone: the configuration is in effect.
	continueDone continuation = "done"
)

// decide returns the continuation.
func (a aftermath) decide() continuation {
	overtaken := a.newer || a.reloads
	switch {
	case overtaken && (a.failed || a.reloads && !a.more):
		return continueNext
	case overtaken && a.more:
		return continueAnew
	case overtaken:
		return continueFrom
	case a.failed:
		return continueRefused
	case a.more:
		return continueReload
	}
	return continueDone
}

// finding is everything on which it depends whether a configuration that a monitor has found is wanted from
// now on.
type finding struct {
	unusable  bool
	fallback  bool // it names another one to which a vassal falls back
	wanted    bool // there is a wanted configuration already
	same      bool // which is the same
	alive     bool // a process runs
	withdrawn bool // the file was gone
}

// ignored returns the reason why it changes nothing, or an empty string when it is wanted. An unusable one is
// ignored, unless nothing runs and the vassal can fall back.
func (f finding) ignored() string {
	switch {
	case f.unusable && (!f.fallback || f.wanted && f.alive):
		return "it cannot be used"
	case f.wanted && f.same && !f.withdrawn:
		return "it is wanted already"
	}
	return ""
}

// wait is everything on which the reason depends that people see for a vassal that waits.
type wait struct {
	state   State
	resting string // why it is not launched
	paused  bool   // a change of its file waits
}

// why returns the reason. Empty: it does not wait.
func (w wait) why() string {
	switch {
	case w.state == Idle:
		return w.resting
	case w.state == Throttled, w.paused:
		return whyThrottled
	}
	return ""
}

// ending is everything on which it depends whether a process that ended unasked has failed.
type ending struct {
	announced bool // it had reported that it exits to be launched again
	clean     bool // exit status 0, and no process of it was killed for its memory
	soon      bool // the last such exit was a short time ago
}

// failure returns the reason why the end is a failure, or an empty string when the vassal is launched
// again at once.
func (d ending) failure() string {
	switch {
	case !d.announced:
		return "it ended unasked"
	case !d.clean:
		return "it announced its exit, and then died"
	case d.soon:
		return "it announces its exit again, too soon after the last time"
	}
	return ""
}
