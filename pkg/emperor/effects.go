package emperor

import (
	"time"
)

// Effect is an action of the emperor on a transition.
type Effect string

// The effects of the life cycle.
const (
	doNothing Effect = ""
	// doEnqueue puts the vassal in the line of launches.
	doEnqueue Effect = "enqueue"
	// doDequeue takes it out of that line, then settles.
	doDequeue Effect = "dequeue"
	// doRevert records that the edit did not become ready, and puts the vassal in the line of
	// launches.
	doRevert Effect = "revert"
	// doRetry makes a refused edit count again. doBegin does too, ends a pause, then settles.
	doRetry Effect = "retry"
	doBegin Effect = "begin"
	// doLaunch starts the launch goroutine with the wanted configuration, or with the one before
	// it when that did not become ready.
	doLaunch Effect = "launch"
	// doCancel ends the context of the launch, or of the hooks of the end.
	// doCancelGuest does it for a vassal whose network ends.
	doCancel      Effect = "cancel"
	doCancelGuest Effect = "cancel-guest"
	// doStable sets the time after which earlier failures are forgiven.
	doStable Effect = "stable"
	// doForgive forgets earlier failures.
	doForgive Effect = "forgive"
	// doStop asks the process to stop and sets the time of grace.
	doStop Effect = "stop"
	// doStopLeft, doSilence, doStopSocket, doStopChanged and doStopGuest stop it too: because it
	// wants that, has sent no heartbeat, has a socket that clients do not find, cannot take a change
	// over, or has a network that ends. A silence counts as a failure.
	doStopLeft    Effect = "stop-left"
	doSilence     Effect = "silence"
	doStopSocket  Effect = "stop-socket"
	doStopChanged Effect = "stop-changed"
	doStopGuest   Effect = "stop-guest"
	// doExpect sets the time in which a killed process must end.
	doExpect Effect = "expect"
	// doZerg starts a zerg, within the limit.
	doZerg Effect = "zerg"
	// doKill ends the process and all it started.
	doKill Effect = "kill"
	// doFail counts a death without a request to stop, then clears.
	doFail Effect = "fail"
	// doMiss counts a launch that failed, then settles.
	doMiss Effect = "miss"
	// doTrace finds out which processes do not end though they were killed.
	doTrace Effect = "trace"
	// doClear starts the goroutine that removes the resources of the generation. doEnd does too, after
	// a stop: the configuration counts as one that has been ready.
	doClear Effect = "clear"
	doEnd   Effect = "end"
	// doSettle decides about the next generation.
	doSettle Effect = "settle"
	// doRest begins a rest.
	doRest Effect = "rest"
	// doPause sets the time of the backoff.
	doPause Effect = "pause"
	// doHold sets the time until the file may have its next process.
	doHold Effect = "hold"
	// doPostpone sets that time while the current process continues.
	doPostpone Effect = "postpone"
	// doResume forgets that the last generation failed, then settles.
	doResume Effect = "resume"
	// doWatch binds the socket of an on-demand vassal and waits for a connection.
	doWatch Effect = "watch"
	// doWatchEdited counts the change of the configuration, and waits for a connection.
	doWatchEdited Effect = "watch-edited"
	// doRewatch waits for a connection on a new socket, and doRebind binds a removed one again.
	doRewatch Effect = "rewatch"
	doRebind  Effect = "rebind"
	// doUnwatch ends that wait, then settles.
	doUnwatch Effect = "unwatch"
	// doUnbound counts the socket as a failed launch, then settles.
	doUnbound Effect = "unbound"
	// doHasten counts the haste as a failure, then settles.
	doHasten Effect = "hasten"
	// doForget releases the resources that outlive generations.
	doForget Effect = "forget"
	// doNoteCut notes that the network is lost. doCut does too, and replaces the process if its
	// options demand it.
	doNoteCut Effect = "note-cut"
	doCut     Effect = "cut"
	// doRefresh gives the process its wanted configuration again, in place or by a new process.
	doRefresh Effect = "refresh"
	// doReload asks the process to reload and sets the time to answer in.
	doReload Effect = "reload"
	// doAdjusted continues after a change of limits and the network, and doRealigned after its
	// reversal.
	doAdjusted  Effect = "adjusted"
	doRealigned Effect = "realigned"
	// doTaken notes that the reload is over.
	doTaken Effect = "taken"
	// doTakenLate notes that it was taken over after all.
	doTakenLate Effect = "taken-late"
	// doExpire notes that it was not answered; the old configuration stays in effect.
	doExpire Effect = "expire"
	// doReplace decides when the vassal gets a new process.
	doReplace Effect = "replace"
	// doOwnReload notes the result of a reload that the vassal made by itself.
	doOwnReload Effect = "own-reload"
	// doRefuse notes that the reload failed; the old configuration stays in effect.
	doRefuse Effect = "refuse"
	// doCurse counts a failure and sets the time to die in.
	doCurse Effect = "curse"

	// doBridge ends the time without a process that a change has caused. doForgetGap forgets it.
	doBridge    Effect = "bridge"
	doForgetGap Effect = "forget-gap"
	// doRemove drops the record.
	doRemove Effect = "remove"
	// doCountReload and doUncountReload count the vassals that reload.
	doCountReload   Effect = "count-reload"
	doUncountReload Effect = "uncount-reload"
	// doStopZergs ends the zergs of the vassal.
	doStopZergs Effect = "stop-zergs"
	// doExplainGuests updates the reasons for which the vassals for its network wait. doBeginGuests
	// and doEndGuests let them begin and end.
	doExplainGuests Effect = "explain-guests"
	doBeginGuests   Effect = "begin-guests"
	doEndGuests     Effect = "end-guests"
	// doLeaveHost lets a vassal continue that waits for the end of the ones in its network.
	doLeaveHost Effect = "leave-host"
)

// action resolves an effect of the table.
type action struct {
	// record changes the vassal's record, before the transition is reported. Nil: nothing
	// changes.
	record func(*Options, *vassal)
	// act begins the work, after the transition. It must not block. Nil: there is none.
	act func(*Emperor, *vassal)
}

// alone makes an act of work that concerns one vassal, and depends on the options alone.
func alone(work func(*Options, *vassal)) func(*Emperor, *vassal) {
	return func(e *Emperor, v *vassal) { work(&e.options, v) }
}

// newActions returns the action of each effect.
func newActions() map[Effect]action {
	settle := (*Emperor).settle
	return map[Effect]action{
		doNothing: {},

		doEnqueue: {act: func(e *Emperor, v *vassal) { e.line.add(v) }},
		doDequeue: {act: func(e *Emperor, v *vassal) { e.line.remove(v); e.settle(v) }},
		doLaunch:  {record: recordLaunch, act: (*Emperor).launch},
		doCancel:  {act: alone(cancel)},

		doCancelGuest: {record: recordHostEnds, act: alone(cancel)},
		doMiss:        {record: recordMiss, act: settle},

		doStable:  {record: func(_ *Options, v *vassal) { v.history.waitsFor = "" }, act: (*Emperor).stable},
		doForgive: {record: func(_ *Options, v *vassal) { v.outcome.failures, v.outcome.proven = 0, nil }},
		doZerg:    {act: (*Emperor).startZerg},

		doReload:      {record: recordOrder, act: alone(reload)},
		doTaken:       {record: recordTaken, act: (*Emperor).taken},
		doTakenLate:   {record: recordTakenLate, act: takenLate},
		doRefuse:      {record: recordRefusal, act: (*Emperor).refused},
		doExpire:      {record: recordNoAnswer, act: (*Emperor).refused},
		doReplace:     {record: recordUnable, act: (*Emperor).replaceProcess},
		doOwnReload:   {record: recordOwnReload},
		doRetry:       {record: func(_ *Options, v *vassal) { v.outcome.retry() }},
		doBegin:       {record: recordBegin, act: settle},
		doRevert:      {record: func(_ *Options, v *vassal) { v.refuseEdit() }, act: (*Emperor).revert},
		doStop:        {act: (*Emperor).stop},
		doStopLeft:    {record: recordLeaving, act: (*Emperor).stop},
		doSilence:     {record: recordSilence, act: (*Emperor).stop},
		doStopSocket:  {record: func(_ *Options, v *vassal) { v.recordSocketLost(", for a new process") }, act: (*Emperor).stop},
		doStopChanged: {record: func(_ *Options, v *vassal) { v.outcome.gapFrom = time.Now() }, act: (*Emperor).stop},
		doStopGuest:   {record: recordHostEnds, act: (*Emperor).stop},
		doAdjusted:    {act: (*Emperor).adjusted},
		doRealigned:   {act: (*Emperor).realigned},
		doNoteCut:     {act: alone(noteCut)},
		doCut:         {act: (*Emperor).cut},
		doRefresh:     {act: (*Emperor).refresh},
		doCurse:       {record: countFailure, act: alone(curse)},
		doKill:        {act: alone(kill)},
		doExpect:      {act: alone(expect)},
		doTrace:       {act: alone(findStuck)},

		doFail:   {record: recordDeath, act: alone(clearUp)},
		doClear:  {record: func(_ *Options, v *vassal) { v.recordExit(false) }, act: alone(clearUp)},
		doEnd:    {record: func(_ *Options, v *vassal) { v.recordExit(true) }, act: alone(clearUp)},
		doSettle: {act: settle},
		doResume: {record: func(_ *Options, v *vassal) { v.outcome.failed, v.history.pauseUntil = false, time.Time{} }, act: settle},
		doRest:   {record: recordRest},
		doForget: {act: (*Emperor).forget},

		doPause: {record: recordPause, act: alone(backOff)},
		doHold: {record: func(_ *Options, v *vassal) {
			v.outcome.churn.hasty, v.history.pauseUntil = true, v.outcome.churn.until()
		}, act: alone(hold)},
		doPostpone: {record: func(_ *Options, v *vassal) { v.outcome.churn.hasty = true }, act: alone(postpone)},

		doWatch:       {record: func(_ *Options, v *vassal) { v.outcome.cancelPaused() }, act: alone(watchSocket)},
		doWatchEdited: {record: recordEditedWait, act: alone(watchEdited)},
		doRewatch:     {act: alone(watchSocket)},
		doRebind:      {record: func(_ *Options, v *vassal) { v.recordSocketLost("") }, act: alone(rebind)},
		doUnwatch:     {act: func(e *Emperor, v *vassal) { v.demand.unwatch(); e.settle(v) }},
		doUnbound:     {record: recordUnbound, act: settle},
		doHasten:      {record: recordHaste, act: settle},

		doBridge:        {record: recordBridge},
		doForgetGap:     {record: func(_ *Options, v *vassal) { v.outcome.gapFrom = time.Time{} }},
		doRemove:        {record: func(_ *Options, v *vassal) { v.outcome.cancelPaused() }, act: func(e *Emperor, v *vassal) { e.vassals.remove(v) }},
		doCountReload:   {act: func(e *Emperor, _ *vassal) { e.round.reloading++ }},
		doUncountReload: {act: func(e *Emperor, _ *vassal) { e.round.reloading-- }},
		doStopZergs:     {act: (*Emperor).stopZergs},
		doExplainGuests: {act: func(e *Emperor, v *vassal) { e.vassals.explainGuests(v) }},
		doBeginGuests:   {act: func(e *Emperor, v *vassal) { tellGuests(e, v, HostServes) }},
		doEndGuests:     {act: func(e *Emperor, v *vassal) { tellGuests(e, v, HostEnds) }},
		doLeaveHost:     {act: leaveHost},
	}
}

// cancel cancels the launch, or the hooks of the end.
func cancel(_ *Options, v *vassal) {
	v.run.cancel(errCancelled)
	v.arm(unkillable)
}

// stable sets the time after which failures are forgotten, and applies a configuration that has
// changed in the meantime.
func (e *Emperor) stable(v *vassal) {
	v.arm(e.options.Backoff.Reset)
	v.closeKept()
	if v.wish.wanted != nil && !v.wish.wanted.same(v.run.config) {
		e.applyWanted(v)
	}
}

// stop asks the process to stop, and sets the time of grace.
func (e *Emperor) stop(v *vassal) {
	if e.vassals.hosts(v) {
		return // the input Alone comes with the end of the last one: they have a time of their own
	}
	if v.demand.activation == nil && v.situation(&e.options).decide().launches() { // the socket of an on-demand vassal outlives generations anyhow
		v.run.process.KeepSockets()
	}
	v.run.process.Stop(e.options.Graceful && e.stopping)
	v.arm(v.mercyFor(&e.options))
}

// mercyFor returns the time that a vassal has to end: the operator's. A program in its place may
// request less, and a master knows its own.
func (v *vassal) mercyFor(o *Options) time.Duration {
	if v.history.mercy > 0 {
		return min(v.history.mercy, o.Mercy)
	}
	return o.Mercy
}

// expect sets the time in which a killed process must end.
func expect(_ *Options, v *vassal) { v.arm(unkillable) }

// kill ends the process and all that it started.
func kill(_ *Options, v *vassal) {
	v.log.Warn("did not end in time: killing it")
	v.run.process.Kill()
	v.arm(unkillable)
}

// curse sets the time in which a vassal that closed its pipe must end.
func curse(o *Options, v *vassal) {
	v.log.Warn("closed its pipe and lives: cursed", "tolerance", o.CurseTolerance)
	if o.CurseTolerance > 0 {
		v.arm(o.CurseTolerance)
	}
}

// backOff begins the pause after a failure.
func backOff(_ *Options, v *vassal) {
	wait := v.history.pause.Round(time.Millisecond)
	v.note(AboutBackoff, "next launch in %v, failures in a row: %d", wait, v.outcome.failures)
	v.arm(v.history.pause)
}
