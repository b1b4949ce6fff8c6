package workers

// reloadState is the state of the reload of a master.
type reloadState string

const (
	// reloadNone: no reload is in progress.
	reloadNone reloadState = "none"
	// reloadReading: the options are read, beside the loop.
	reloadReading reloadState = "reading"
	// reloadStarting: new workers start beside the old ones, which serve.
	reloadStarting reloadState = "starting"
	// reloadSwitching: the old workers were ended before the new ones start.
	reloadSwitching reloadState = "switching"
	// reloadTrying: there are new daemons, whose probe has not been answered yet.
	reloadTrying reloadState = "trying"
	// reloadUndoing: the reload has failed, and the old configuration starts again.
	reloadUndoing reloadState = "undoing"
	// reloadClosed: the vassal stops.
	reloadClosed reloadState = "closed"
)

// reloadInput is an event of a reload.
type reloadInput string

const (
	reloadAsked     reloadInput = "asked"      // by the emperor, a signal, or a watched file
	reloadOrdered   reloadInput = "ordered"    // by the emperor with other bytes, which need not wait for a read
	reloadAnew      reloadInput = "anew"       // read: only a new process can take them over
	reloadUnusable  reloadInput = "unusable"   // read: they have an error
	reloadSignal    reloadInput = "signal"     // read: unchanged, and the programs have a reload signal
	reloadAsleep    reloadInput = "asleep"     // read: no workers run, and none are wanted
	reloadBeside    reloadInput = "beside"     // read: start the new workers first
	reloadStopFirst reloadInput = "stop-first" // read: end the old workers first
	reloadProven    reloadInput = "proven"     // each new worker is ready and has lived long enough
	reloadUntried   reloadInput = "untried"    // the same, and daemons must answer a probe
	reloadFilled    reloadInput = "filled"     // each new worker is ready
	reloadFailed    reloadInput = "failed"     // a new worker was not ready
	reloadAnswered  reloadInput = "answered"   // the new daemons have answered
	reloadSilent    reloadInput = "silent"     // they have not answered in time
	reloadVacated   reloadInput = "vacated"    // the last ending daemon is gone
	reloadComplete  reloadInput = "complete"   // each worker in effect is ready
	reloadWhole     reloadInput = "whole"      // the same, and all daemons have been started and answer
	reloadRestored  reloadInput = "restored"   // the same, and each worker has lived long enough
	reloadBroken    reloadInput = "broken"     // the configuration in effect cannot be started
	reloadRoll      reloadInput = "roll"       // the workers are to be replaced one after the other
	reloadExamine   reloadInput = "examine"    // it is time to examine age, memory and activity of workers
	reloadStop      reloadInput = "stop"       // the vassal stops
)

// reloadEffect is the action of a transition.
type reloadEffect string

const (
	reloadNothing reloadEffect = ""
	// doRead reads the options of a request.
	doRead reloadEffect = "read"
	// doReadAgain answers the earlier requests and reads the options of the new one.
	doReadAgain reloadEffect = "read-again"
	// doQueue keeps a request until the reload is over.
	doQueue reloadEffect = "queue"
	// doDecline answers a request with an error.
	doDecline reloadEffect = "decline"
	// doRenew asks the emperor for a new process and stops.
	doRenew reloadEffect = "renew"
	// doSignal sends the reload signal to the programs.
	doSignal reloadEffect = "signal"
	// doAdopt puts a configuration without running workers into effect.
	doAdopt reloadEffect = "adopt"
	// doStart starts the new workers.
	doStart reloadEffect = "start"
	// doSwitch ends the old workers and starts the new ones.
	doSwitch reloadEffect = "switch"
	// doTakeOver puts the new workers in the place of the old ones, which leave. doTry does too, and
	// probes the new daemons.
	doTakeOver reloadEffect = "take-over"
	doTry      reloadEffect = "try"
	// doReplaceOld and doTryInstead do the same in the place of workers that have ended.
	doReplaceOld reloadEffect = "replace"
	doTryInstead reloadEffect = "try-instead"
	// doProbeDaemons probes the daemons, or continues when they need no probe.
	doProbeDaemons reloadEffect = "probe-daemons"
	// doEndGap reports the end of a time without workers.
	doEndGap reloadEffect = "end-gap"
	// doRoll replaces the workers one after the other. doRollLater does it after the reload.
	doRoll      reloadEffect = "roll"
	doRollLater reloadEffect = "roll-later"
	// doExamine replaces workers that are too old or too large, and stops idle ones.
	doExamine reloadEffect = "examine"
	// doFinish puts the configuration of daemons that answered into effect.
	doFinish reloadEffect = "finish"
	// doKeep drops the new workers; the old ones stay.
	doKeep reloadEffect = "keep"
	// doRestart drops the new workers and starts the old configuration again.
	doRestart reloadEffect = "restart"
	// doRestore drops the new daemons and starts the old configuration again.
	doRestore reloadEffect = "restore"
	// doUndone answers that the reload failed and the old configuration was started again.
	doUndone reloadEffect = "undone"
	// doAbort drops the new workers and answers that the vassal stops.
	doAbort reloadEffect = "abort"
)

// reloadRow is one transition.
type reloadRow struct {
	state  reloadState
	input  reloadInput
	next   reloadState
	effect reloadEffect
}

// reloadTable is the whole course of a reload.
var reloadTable = [...]reloadRow{
	{reloadNone, reloadAsked, reloadReading, doRead},
	{reloadNone, reloadOrdered, reloadReading, doRead},
	{reloadNone, reloadComplete, reloadNone, doEndGap},
	{reloadNone, reloadRoll, reloadNone, doRoll},
	{reloadNone, reloadExamine, reloadNone, doExamine},
	{reloadNone, reloadStop, reloadClosed, reloadNothing},

	{reloadReading, reloadAsked, reloadReading, doQueue},
	{reloadReading, reloadOrdered, reloadReading, doReadAgain},
	{reloadReading, reloadAnew, reloadClosed, doRenew},
	{reloadReading, reloadUnusable, reloadNone, doKeep},
	{reloadReading, reloadSignal, reloadNone, doSignal},
	{reloadReading, reloadAsleep, reloadNone, doAdopt},
	{reloadReading, reloadBeside, reloadStarting, doStart},
	{reloadReading, reloadStopFirst, reloadSwitching, doSwitch},
	{reloadReading, reloadComplete, reloadReading, doEndGap},
	{reloadReading, reloadRoll, reloadReading, doRoll},
	{reloadReading, reloadExamine, reloadReading, doExamine},
	{reloadReading, reloadStop, reloadClosed, doAbort},

	{reloadStarting, reloadAsked, reloadStarting, doQueue},
	{reloadStarting, reloadOrdered, reloadStarting, doQueue},
	{reloadStarting, reloadFilled, reloadStarting, doEndGap},
	{reloadStarting, reloadProven, reloadNone, doTakeOver},
	{reloadStarting, reloadUntried, reloadTrying, doTry},
	{reloadStarting, reloadFailed, reloadNone, doKeep},
	{reloadStarting, reloadComplete, reloadStarting, doEndGap},
	{reloadStarting, reloadRoll, reloadStarting, doRollLater},
	{reloadStarting, reloadStop, reloadClosed, doAbort},

	{reloadSwitching, reloadAsked, reloadSwitching, doQueue},
	{reloadSwitching, reloadOrdered, reloadSwitching, doQueue},
	{reloadSwitching, reloadFilled, reloadSwitching, doEndGap},
	{reloadSwitching, reloadProven, reloadNone, doReplaceOld},
	{reloadSwitching, reloadUntried, reloadTrying, doTryInstead},
	{reloadSwitching, reloadFailed, reloadUndoing, doRestart},
	{reloadSwitching, reloadRoll, reloadSwitching, doRollLater},
	{reloadSwitching, reloadStop, reloadClosed, doAbort},

	{reloadTrying, reloadAsked, reloadTrying, doQueue},
	{reloadTrying, reloadOrdered, reloadTrying, doQueue},
	{reloadTrying, reloadVacated, reloadTrying, doProbeDaemons},
	{reloadTrying, reloadAnswered, reloadNone, doFinish},
	{reloadTrying, reloadSilent, reloadUndoing, doRestore},
	{reloadTrying, reloadRoll, reloadTrying, doRoll},
	{reloadTrying, reloadExamine, reloadTrying, doExamine},
	{reloadTrying, reloadStop, reloadClosed, doAbort},

	{reloadUndoing, reloadAsked, reloadUndoing, doQueue},
	{reloadUndoing, reloadOrdered, reloadUndoing, doQueue},
	{reloadUndoing, reloadVacated, reloadUndoing, doProbeDaemons},
	{reloadUndoing, reloadWhole, reloadUndoing, doEndGap},
	{reloadUndoing, reloadRestored, reloadNone, doUndone},
	{reloadUndoing, reloadBroken, reloadNone, doUndone},
	{reloadUndoing, reloadRoll, reloadUndoing, doRollLater},
	{reloadUndoing, reloadStop, reloadClosed, doAbort},

	{reloadClosed, reloadAsked, reloadClosed, doDecline},
	{reloadClosed, reloadOrdered, reloadClosed, doDecline},
}

// stepReload looks a transition up, and reports whether it is listed.
func stepReload(s reloadState, in reloadInput) (next reloadState, do reloadEffect, listed bool) {
	for i := range reloadTable {
		if r := &reloadTable[i]; r.state == s && r.input == in {
			return r.next, r.effect, true
		}
	}
	return s, reloadNothing, false
}

// closed reports whether the vassal stops.
func (s reloadState) closed() bool { return s == reloadClosed }

// active reports whether a reload is in progress.
func (s reloadState) active() bool { return s != reloadNone && s != reloadClosed }
