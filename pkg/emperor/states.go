package emperor

import "slices"

// State is where a vassal's record is in its life.
type State string

// The states of a vassal.
const (
	// Idle: nothing runs and nothing is planned until the configuration changes
	// or the operator starts it.
	Idle State = "idle"
	// Waiting: on demand, the socket is there and the first connection starts it.
	Waiting State = "waiting"
	// Queued: waits for a place among the launches.
	Queued State = "queued"
	// Reverting: an edit did not become ready. As Queued, with the configuration before it.
	Reverting State = "reverting"
	// Launching: a launch goroutine runs hooks and clones.
	Launching State = "launching"
	// Cancelling: the launch was cancelled, and its resources are being removed.
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
	// Killing: the process was killed, and has not ended yet.
	Killing State = "killing"
	// Clearing: the process is reaped; the resources of its generation are being removed.
	Clearing State = "clearing"
	// Settled: nothing of the generation is left. Transient: left again within the same event.
	Settled State = "settled"
	// BackingOff: waits before the next generation, because the last one failed.
	BackingOff State = "backoff"
	// Throttled: waits before the next generation, because the file changes too often.
	Throttled State = "throttled"
	// Gone: the record is dropped.
	Gone State = "gone"
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
	{Idle, Replace, Settled, doSettle},
	{Idle, Soon, Settled, doSettle},
	{Idle, Drop, Settled, doSettle},
	{Idle, Begin, Settled, doBegin},
	{Idle, Renewed, Settled, doBegin},
	{Idle, HostServes, Settled, doSettle},

	{Waiting, Knock, Queued, doEnqueue},
	{Waiting, Bound, Waiting, doRewatch},
	{Waiting, SocketLost, Waiting, doRebind},
	{Waiting, Unbound, Settled, doUnbound},
	{Waiting, Hasty, Settled, doHasten},
	{Waiting, Want, Settled, doUnwatch},
	{Waiting, Replace, Settled, doUnwatch},
	{Waiting, Soon, Waiting, doPostpone},
	{Waiting, Drop, Settled, doUnwatch},

	{Queued, Slot, Launching, doLaunch},
	{Queued, Drop, Settled, doDequeue},
	{Queued, HostEnds, Settled, doDequeue},
	{Queued, Renewed, Queued, doRetry},

	{Reverting, Slot, Launching, doLaunch},
	{Reverting, Drop, Settled, doDequeue},
	{Reverting, HostEnds, Settled, doDequeue},
	{Reverting, Renewed, Reverting, doRetry},

	{Launching, Launched, Starting, doNothing},
	{Launching, LaunchFailed, Settled, doMiss},
	{Launching, Want, Cancelling, doCancel},
	{Launching, Replace, Cancelling, doCancel},
	{Launching, Soon, Launching, doPostpone},
	{Launching, Drop, Cancelling, doCancel},
	{Launching, HostEnds, Cancelling, doCancelGuest},

	{Cancelling, Launched, Stopping, doStop},
	{Cancelling, LaunchFailed, Settled, doSettle},
	{Cancelling, Due, Cancelling, doTrace},
	{Cancelling, Lost, Gone, doForget},

	{Starting, Accepting, Running, doStable},
	{Starting, Ready, Running, doStable},
	{Starting, CutOff, Starting, doNoteCut},
	{Starting, Exited, Clearing, doFail},
	{Starting, Curse, Cursed, doCurse},
	{Starting, Want, Stopping, doStop},
	{Starting, Replace, Stopping, doStop},
	{Starting, Soon, Starting, doPostpone},
	{Starting, Drop, Stopping, doStop},
	{Starting, Leave, Stopping, doStopLeft},
	{Starting, HostEnds, Stopping, doStopGuest},

	{Running, Refresh, Reloading, doReload},
	{Running, ReloadAsked, Running, doRefresh},
	{Running, ReloadedItself, Running, doOwnReload},
	{Running, Adjusted, Running, doAdjusted},
	{Running, Realigned, Running, doRealigned},
	{Running, Late, Running, doTakenLate},
	{Running, Due, Running, doForgive},
	{Running, CutOff, Running, doCut},
	{Running, Exited, Clearing, doFail},
	{Running, Curse, Cursed, doCurse},
	{Running, Mute, Stopping, doSilence},
	{Running, Want, Stopping, doStopChanged},
	{Running, Replace, Stopping, doStopChanged},
	{Running, Soon, Running, doPostpone},
	{Running, Drop, Stopping, doStop},
	{Running, Leave, Stopping, doStopLeft},
	{Running, HostEnds, Stopping, doStopGuest},
	{Running, SocketLost, Stopping, doStopSocket},
	{Running, Reinforce, Running, doZerg},

	{Reloading, ReloadAsked, Reloading, doNothing},
	{Reloading, Adjusted, Reloading, doAdjusted},
	{Reloading, Realigned, Reloading, doRealigned},
	{Reloading, Ready, Running, doTaken},
	{Reloading, Refused, Running, doRefuse},
	{Reloading, Unable, Reloading, doReplace},
	{Reloading, Due, Running, doExpire},
	{Reloading, CutOff, Reloading, doCut},
	{Reloading, Exited, Clearing, doFail},
	{Reloading, Curse, Cursed, doCurse},
	{Reloading, Want, Stopping, doStopChanged},
	{Reloading, Replace, Stopping, doStopChanged},
	{Reloading, Soon, Running, doPostpone},
	{Reloading, Drop, Stopping, doStop},
	{Reloading, Leave, Stopping, doStopLeft},
	{Reloading, HostEnds, Stopping, doStopGuest},
	{Reloading, SocketLost, Stopping, doStopSocket},
	{Reloading, Reinforce, Reloading, doZerg},

	{Cursed, CutOff, Cursed, doNoteCut},
	{Cursed, Exited, Clearing, doClear},
	{Cursed, Due, Killing, doKill},
	{Cursed, KillNow, Killing, doKill},
	{Cursed, Want, Stopping, doStop},
	{Cursed, Replace, Stopping, doStop},
	{Cursed, Soon, Cursed, doPostpone},
	{Cursed, Drop, Stopping, doStop},
	{Cursed, HostEnds, Stopping, doStopGuest},

	{Stopping, CutOff, Stopping, doNoteCut},
	{Stopping, Exited, Clearing, doEnd},
	{Stopping, Due, Killing, doKill},
	{Stopping, KillNow, Killing, doKill},
	{Stopping, StopAgain, Killing, doKill},
	{Stopping, Alone, Stopping, doStop},

	{Killing, CutOff, Killing, doNoteCut},
	{Killing, Exited, Clearing, doClear},
	{Killing, Due, Killing, doTrace},
	{Killing, End, Killing, doExpect},
	{Killing, Lost, Gone, doForget},

	{Clearing, Cleared, Settled, doSettle},
	{Clearing, KillNow, Clearing, doCancel},
	{Clearing, Renewed, Clearing, doRetry},
	{Clearing, Due, Clearing, doTrace},
	{Clearing, Lost, Gone, doForget},

	{Settled, Again, Queued, doEnqueue},
	{Settled, Revert, Reverting, doRevert},
	{Settled, Sleep, Waiting, doWatch},
	{Settled, SleepEdited, Waiting, doWatchEdited},
	{Settled, Wait, BackingOff, doPause},
	{Settled, Hold, Throttled, doHold},
	{Settled, Rest, Idle, doRest},
	{Settled, Forget, Gone, doForget},

	{BackingOff, Due, Settled, doResume},
	{BackingOff, Want, Settled, doResume},
	{BackingOff, Replace, Settled, doResume},
	{BackingOff, Soon, BackingOff, doPostpone},
	{BackingOff, Drop, Settled, doSettle},
	{BackingOff, Begin, Settled, doBegin},
	{BackingOff, Renewed, Settled, doBegin},
	{BackingOff, Forgiven, Settled, doResume},

	{Throttled, Due, Settled, doSettle},
	{Throttled, Want, Settled, doSettle},
	{Throttled, Replace, Settled, doSettle},
	{Throttled, Drop, Settled, doSettle},
	{Throttled, Begin, Settled, doBegin},
	{Throttled, Renewed, Settled, doBegin},
	{Throttled, Forgiven, Settled, doSettle},
}

// step looks a transition up, and reports whether it is listed.
func step(s State, in Input) (next State, do Effect, listed bool) {
	for i := range table {
		if r := &table[i]; r.state == s && r.input == in {
			return r.next, r.effect, true
		}
	}
	return s, doNothing, false
}

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
