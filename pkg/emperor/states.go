package emperor

import "slices"

// State is where a vassal's record is in its life.
type State string

// The states of a vassal.
const (
	// Idle: nothing runs and nothing is planned until the configuration changes
	// or the operator says so.
	Idle State = "idle"
	// Waiting: on demand, the socket is there and the first connection starts it.
	Waiting State = "waiting"
	// Queued: waits for a place among the launches.
	Queued State = "queued"
	// Reverting: an edit did not become ready. As Queued, with the configuration before it.
	Reverting State = "reverting"
	// Launching: a launch goroutine runs hooks and clones.
	Launching State = "launching"
	// Cancelling: the launch was told to give up.
	Cancelling State = "cancelling"
	// Starting: the process has its order and boots.
	Starting State = "starting"
	// Running: the process accepts requests.
	Running State = "running"
	// Reloading: the process was asked to reload and has not answered; its old
	// workers serve.
	Reloading State = "reloading"
	// Cursed: the process closed its pipe and should be dead soon.
	Cursed State = "cursed"
	// Stopping: the process was asked to stop.
	Stopping State = "stopping"
	// Killing: the process was killed.
	Killing State = "killing"
	// Clearing: the process is reaped; what its generation left is removed.
	Clearing State = "clearing"
	// Settled: nothing of the generation is left; a moment, not a stay.
	Settled State = "settled"
	// BackingOff: waits before the next generation, because the last one failed.
	BackingOff State = "backoff"
	// Throttled: waits before the next generation, because the file changes too often.
	Throttled State = "throttled"
	// Gone: the record is dropped.
	Gone State = "gone"
)

// Input is something that happened to a vassal.
type Input string

// The inputs of the life cycle.
const (
	// Want: there is something to run, and it needs a new process.
	Want Input = "want"
	// Soon: as Want, but it is a change of the file too soon after the last one.
	Soon Input = "soon"
	// Drop: the vassal shall not run any more: its file is gone, or the operator
	// or itself stopped it.
	Drop Input = "drop"
	// Refresh: what runs shall take over a configuration without a new process.
	Refresh Input = "refresh"
	// Knock: the first connection has come, or the vassal is not on demand.
	Knock Input = "knock"
	// Unbound: the socket of an on-demand vassal cannot be had.
	Unbound Input = "unbound"
	// Hasty: a connection waits for a vassal that has just left, right after its
	// start.
	Hasty Input = "hasty"
	// Slot: the vassal's turn to launch has come.
	Slot Input = "slot"
	// Launched: the launch is over and the process has its order.
	Launched Input = "launched"
	// LaunchFailed: the launch is over and nothing is left of it.
	LaunchFailed Input = "launch-failed"
	// Accepting: the process answers, the first time or after a reload.
	Accepting Input = "accepting"
	// Refused: the process says that it cannot reload.
	Refused Input = "refused"
	// Curse: the process closed its pipe and lives.
	Curse Input = "curse"
	// Mute: the process sent heartbeats, and does not any more.
	Mute Input = "mute"
	// Exited: the process is dead and reaped.
	Exited Input = "exited"
	// Due: the time set on entering the state is over.
	Due Input = "due"
	// KillNow: the operator will not wait any longer: for the emperor's end, or for that
	// of a vassal that boots.
	KillNow Input = "kill-now"
	// Cleared: nothing of the dead generation is left.
	Cleared Input = "cleared"
	// Lost: it does not end, and the emperor does.
	Lost Input = "lost"

	// Again, Revert, Sleep, Wait, Hold, Rest and Forget are the answers of the settle effect:
	// launch now, launch the configuration before the last edit now, launch on demand, launch
	// later for its failures or for its file's changes, do nothing, drop the record.
	Again  Input = "again"
	Revert Input = "revert"
	Sleep  Input = "sleep"
	Wait   Input = "wait"
	Hold   Input = "hold"
	Rest   Input = "rest"
	Forget Input = "forget"
)

// Effect is what the emperor does on a transition.
type Effect string

// The effects of the life cycle.
const (
	doNothing Effect = ""
	// doEnqueue puts the vassal in the line of launches.
	doEnqueue Effect = "enqueue"
	// doLeave takes it out of that line, then settles.
	doLeave Effect = "leave"
	// doRevert records that the edit did not become ready, and puts the vassal in the line of
	// launches.
	doRevert Effect = "revert"
	// doLaunch starts the launch goroutine with the wanted configuration, or with the one before
	// it when that did not become ready.
	doLaunch Effect = "launch"
	// doCancel ends the context of the launch, or of the hooks of the end.
	doCancel Effect = "cancel"
	// doStable sets the time after which earlier failures are forgiven.
	doStable Effect = "stable"
	// doForgive forgets earlier failures.
	doForgive Effect = "forgive"
	// doStop asks the process to stop and sets the time of grace.
	doStop Effect = "stop"
	// doKill ends the process and all it started.
	doKill Effect = "kill"
	// doFail counts a death that nobody asked for, then clears.
	doFail Effect = "fail"
	// doMiss counts a launch that failed, then settles.
	doMiss Effect = "miss"
	// doTrace finds out which processes do not end though they were killed.
	doTrace Effect = "trace"
	// doClear starts the goroutine that removes what the generation left.
	doClear Effect = "clear"
	// doSettle decides what comes next.
	doSettle Effect = "settle"
	// doPause sets the time of the backoff.
	doPause Effect = "pause"
	// doHold sets the time until the file may have its next process.
	doHold Effect = "hold"
	// doPostpone sets that time beside whatever goes on meanwhile.
	doPostpone Effect = "postpone"
	// doResume forgets that the last generation failed, then settles.
	doResume Effect = "resume"
	// doWatch binds the socket of an on-demand vassal and waits for a connection.
	doWatch Effect = "watch"
	// doUnwatch ends that wait, then settles.
	doUnwatch Effect = "unwatch"
	// doUnbound counts the socket as a failed launch, then settles.
	doUnbound Effect = "unbound"
	// doHasten counts the haste as a failure, then settles.
	doHasten Effect = "hasten"
	// doForget lets go of what outlives generations.
	doForget Effect = "forget"
	// doReload asks the process to reload and sets the time to answer in.
	doReload Effect = "reload"
	// doTaken notes that the reload is over.
	doTaken Effect = "taken"
	// doRefuse notes that the reload failed and what was before goes on.
	doRefuse Effect = "refuse"
	// doCurse counts a failure and sets the time to die in.
	doCurse Effect = "curse"
	// doSilence counts a failure and asks the silent process to stop.
	doSilence Effect = "silence"
)

// row is one transition.
type row struct {
	state  State
	input  Input
	next   State
	effect Effect
}

// table is the whole life of a vassal. A pair that is not in it stays and does
// nothing, on purpose: late, repeated and pointless inputs are harmless.
var table = []row{
	{Idle, Want, Settled, doSettle},
	{Idle, Soon, Settled, doSettle},
	{Idle, Drop, Settled, doSettle},

	{Waiting, Knock, Queued, doEnqueue},
	{Waiting, Unbound, Settled, doUnbound},
	{Waiting, Hasty, Settled, doHasten},
	{Waiting, Want, Settled, doUnwatch},
	{Waiting, Soon, Waiting, doPostpone},
	{Waiting, Drop, Settled, doUnwatch},

	{Queued, Slot, Launching, doLaunch},
	{Queued, Drop, Settled, doLeave},

	{Reverting, Slot, Launching, doLaunch},
	{Reverting, Drop, Settled, doLeave},

	{Launching, Launched, Starting, doNothing},
	{Launching, LaunchFailed, Settled, doMiss},
	{Launching, Want, Cancelling, doCancel},
	{Launching, Soon, Launching, doPostpone},
	{Launching, Drop, Cancelling, doCancel},

	{Cancelling, Launched, Stopping, doStop},
	{Cancelling, LaunchFailed, Settled, doSettle},
	{Cancelling, Due, Cancelling, doTrace},
	{Cancelling, Lost, Gone, doForget},

	{Starting, Accepting, Running, doStable},
	{Starting, Exited, Clearing, doFail},
	{Starting, Curse, Cursed, doCurse},
	{Starting, Want, Stopping, doStop},
	{Starting, Soon, Starting, doPostpone},
	{Starting, Drop, Stopping, doStop},

	{Running, Refresh, Reloading, doReload},
	{Running, Due, Running, doForgive},
	{Running, Exited, Clearing, doFail},
	{Running, Curse, Cursed, doCurse},
	{Running, Mute, Stopping, doSilence},
	{Running, Want, Stopping, doStop},
	{Running, Soon, Running, doPostpone},
	{Running, Drop, Stopping, doStop},

	{Reloading, Accepting, Running, doTaken},
	{Reloading, Refused, Running, doRefuse},
	{Reloading, Due, Running, doRefuse},
	{Reloading, Exited, Clearing, doFail},
	{Reloading, Curse, Cursed, doCurse},
	{Reloading, Want, Stopping, doStop},
	{Reloading, Soon, Running, doPostpone},
	{Reloading, Drop, Stopping, doStop},

	{Cursed, Exited, Clearing, doClear},
	{Cursed, Due, Killing, doKill},
	{Cursed, KillNow, Killing, doKill},
	{Cursed, Want, Stopping, doStop},
	{Cursed, Soon, Cursed, doPostpone},
	{Cursed, Drop, Stopping, doStop},

	{Stopping, Exited, Clearing, doClear},
	{Stopping, Due, Killing, doKill},
	{Stopping, KillNow, Killing, doKill},

	{Killing, Exited, Clearing, doClear},
	{Killing, Due, Killing, doTrace},
	{Killing, Lost, Gone, doForget},

	{Clearing, Cleared, Settled, doSettle},
	{Clearing, KillNow, Clearing, doCancel},
	{Clearing, Due, Clearing, doTrace},
	{Clearing, Lost, Gone, doForget},

	{Settled, Again, Queued, doEnqueue},
	{Settled, Revert, Reverting, doRevert},
	{Settled, Sleep, Waiting, doWatch},
	{Settled, Wait, BackingOff, doPause},
	{Settled, Hold, Throttled, doHold},
	{Settled, Rest, Idle, doNothing},
	{Settled, Forget, Gone, doForget},

	{BackingOff, Due, Settled, doResume},
	{BackingOff, Want, Settled, doResume},
	{BackingOff, Soon, BackingOff, doPostpone},
	{BackingOff, Drop, Settled, doSettle},

	{Throttled, Due, Settled, doSettle},
	{Throttled, Want, Settled, doSettle},
	{Throttled, Drop, Settled, doSettle},
}

// step looks a transition up.
func step(s State, in Input) (next State, do Effect) {
	for i := range table {
		if r := &table[i]; r.state == s && r.input == in {
			return r.next, r.effect
		}
	}
	return s, doNothing
}

// hasProcess reports whether a process of the vassal may exist in the state.
func (s State) hasProcess() bool {
	switch s {
	case Launching, Cancelling:
		return true
	}
	return s.alive()
}

// alive reports whether the vassal has a process that was launched and is not
// known to be dead.
func (s State) alive() bool {
	switch s {
	case Starting, Running, Reloading, Cursed, Stopping, Killing:
		return true
	}
	return false
}

// serving reports whether the vassal answers in the state.
func (s State) serving() bool { return s == Running || s == Reloading }

// States lists every state in which a record stays, in the order of the table.
func States() []State {
	var list []State
	for _, r := range table {
		if r.state != Settled && !slices.Contains(list, r.state) {
			list = append(list, r.state)
		}
	}
	return list
}
