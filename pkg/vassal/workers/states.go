package workers

// The life of a worker and the course of a reload are two tables. A pair of state and input that is
// not in its table changes nothing, on purpose: late, repeated and pointless inputs are harmless.
// docs/workers.md is printed from them.

// workerState is the state of a worker.
type workerState string

const (
	// workerStarting: the process exists; its program is not known to run.
	workerStarting workerState = "starting"
	// workerChecking: transient; the next condition of readiness is looked up.
	workerChecking workerState = "checking"
	// workerAnnouncing: the program runs and has not sent READY=1 yet.
	workerAnnouncing workerState = "announcing"
	// workerProbing: a probe has not been answered yet.
	workerProbing workerState = "probing"
	// workerProving: ready, and does not count before it has lived for the time of proof.
	workerProving workerState = "proving"
	// workerServing: ready.
	workerServing workerState = "serving"
	// workerRetiring: the worker serves the last requests of the server before it, and is asked to
	// stop after that.
	workerRetiring workerState = "retiring"
	// workerLeaving: the worker was asked to stop.
	workerLeaving workerState = "leaving"
	// workerKilling: the worker did not stop in time and was killed.
	workerKilling workerState = "killing"
	// workerUnexplained: dead before its stage has reported whether the program could run.
	workerUnexplained workerState = "unexplained"
	// workerGone: dead, and its record is dropped.
	workerGone workerState = "gone"
)

// workerInput is an event of a worker's life.
type workerInput string

const (
	workerExecuted  workerInput = "executed"      // its program runs
	workerRefused   workerInput = "refused"       // its program cannot be run
	workerNotified  workerInput = "notified"      // READY=1
	workerAnswered  workerInput = "answered"      // the probe was answered
	workerNotice    workerInput = "needs-notice"  // checked: it must send READY=1
	workerProbe     workerInput = "needs-probe"   // checked: it must answer a probe
	workerProof     workerInput = "needs-proof"   // checked: ready, it must live for a time
	workerComplete  workerInput = "needs-nothing" // checked: ready
	workerDue       workerInput = "due"           // the time of its state is over
	workerRetired   workerInput = "retired"       // it is needed only by the server before it, which leaves
	workerDismissed workerInput = "dismissed"     // it is not needed any more
	workerExited    workerInput = "exited"        // it is dead and reaped
)

// workerEffect is the action of a transition.
type workerEffect string

const (
	doNothing workerEffect = ""
	// doCheck looks up the next condition of readiness.
	doCheck workerEffect = "check"
	// doProbe starts the probe.
	doProbe workerEffect = "probe"
	// doReady runs the hooks of a ready worker, and continues what waits for one.
	doReady workerEffect = "ready"
	// doProven continues what waits for a proven worker.
	doProven workerEffect = "proven"
	// doAwaitFront removes the end of the time of proof.
	doAwaitFront workerEffect = "await-front"
	// doAsk sends the stop signal and sets the time of the kill.
	doAsk workerEffect = "ask"
	// doGiveUp does the same, after a failed start.
	doGiveUp workerEffect = "give-up"
	// doKill kills the process group.
	doKill workerEffect = "kill"
	// doAwaitReport sets the time in which the stage of a dead worker must report.
	doAwaitReport workerEffect = "await-report"
	// doFail handles the failed start of a dead worker.
	doFail workerEffect = "fail"
	// doReplace handles a death that was not requested.
	doReplace workerEffect = "replace"
	// doVacate records how the worker left, and fills the slots that waited for it.
	doVacate workerEffect = "vacate"
	// doForget drops the record.
	doForget workerEffect = "forget"
)

// workerRow is one transition.
type workerRow struct {
	state  workerState
	input  workerInput
	next   workerState
	effect workerEffect
}

// workerTable is the whole life of a worker.
var workerTable = [...]workerRow{
	{workerStarting, workerExecuted, workerChecking, doCheck},
	{workerStarting, workerNotified, workerChecking, doCheck},
	{workerStarting, workerRefused, workerLeaving, doGiveUp},
	{workerStarting, workerDue, workerLeaving, doGiveUp},
	{workerStarting, workerRetired, workerLeaving, doAsk},
	{workerStarting, workerDismissed, workerLeaving, doAsk},
	{workerStarting, workerExited, workerUnexplained, doAwaitReport},

	{workerChecking, workerNotice, workerAnnouncing, doNothing},
	{workerChecking, workerProbe, workerProbing, doProbe},
	{workerChecking, workerProof, workerProving, doReady},
	{workerChecking, workerComplete, workerServing, doReady},

	{workerAnnouncing, workerNotified, workerChecking, doCheck},
	{workerAnnouncing, workerDue, workerLeaving, doGiveUp},
	{workerAnnouncing, workerRetired, workerLeaving, doAsk},
	{workerAnnouncing, workerDismissed, workerLeaving, doAsk},
	{workerAnnouncing, workerExited, workerGone, doReplace},

	{workerProbing, workerAnswered, workerChecking, doCheck},
	{workerProbing, workerRefused, workerLeaving, doGiveUp},
	{workerProbing, workerDue, workerLeaving, doGiveUp},
	{workerProbing, workerRetired, workerLeaving, doAsk},
	{workerProbing, workerDismissed, workerLeaving, doAsk},
	{workerProbing, workerExited, workerGone, doReplace},

	{workerProving, workerDue, workerServing, doProven},
	{workerProving, workerRefused, workerLeaving, doGiveUp},
	{workerProving, workerRetired, workerRetiring, doAwaitFront},
	{workerProving, workerDismissed, workerLeaving, doAsk},
	{workerProving, workerExited, workerGone, doReplace},

	{workerServing, workerRefused, workerLeaving, doGiveUp},
	{workerServing, workerRetired, workerRetiring, doAwaitFront},
	{workerServing, workerDismissed, workerLeaving, doAsk},
	{workerServing, workerExited, workerGone, doReplace},

	{workerRetiring, workerDismissed, workerLeaving, doAsk},
	{workerRetiring, workerExited, workerGone, doVacate},

	{workerLeaving, workerDue, workerKilling, doKill},
	{workerLeaving, workerExited, workerGone, doVacate},

	{workerKilling, workerDue, workerKilling, doKill},
	{workerKilling, workerExited, workerGone, doVacate},

	{workerUnexplained, workerExecuted, workerGone, doReplace},
	{workerUnexplained, workerRefused, workerGone, doFail},
	{workerUnexplained, workerDue, workerGone, doReplace},
	{workerUnexplained, workerRetired, workerGone, doForget},
	{workerUnexplained, workerDismissed, workerGone, doForget},
}

// stepWorker looks a transition up.
func stepWorker(s workerState, in workerInput) (next workerState, do workerEffect) {
	for i := range workerTable {
		if r := &workerTable[i]; r.state == s && r.input == in {
			return r.next, r.effect
		}
	}
	return s, doNothing
}

// ready reports whether a worker serves in the state.
func (s workerState) ready() bool { return s == workerProving || s == workerServing }

// leaving reports whether a worker was asked to end and lives.
func (s workerState) leaving() bool {
	return s == workerRetiring || s == workerLeaving || s == workerKilling
}

// announced reports whether a worker that must send READY=1 has done so.
func (s workerState) announced() bool { return s != workerStarting && s != workerAnnouncing }

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
	reloadOvertaken reloadInput = "overtaken"  // an order comes while options are read
	reloadAnew      reloadInput = "anew"       // read: only a new process can take them over
	reloadUnusable  reloadInput = "unusable"   // read: they have an error
	reloadSignal    reloadInput = "signal"     // read: unchanged, and the programs have a reload signal
	reloadAsleep    reloadInput = "asleep"     // read: no workers run, and none are wanted
	reloadBeside    reloadInput = "beside"     // read: start the new workers first
	reloadStopFirst reloadInput = "stop-first" // read: end the old workers first
	reloadProven    reloadInput = "proven"     // each new worker is ready and has lived long enough
	reloadUntried   reloadInput = "untried"    // the same, and daemons must answer a probe
	reloadFailed    reloadInput = "failed"     // a new worker or daemon was not ready
	reloadAnswered  reloadInput = "answered"   // the new daemons have answered
	reloadRestored  reloadInput = "restored"   // the old configuration serves again
	reloadBroken    reloadInput = "broken"     // the old configuration cannot be started again
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
	// doTakeOver puts the new workers in the place of the old ones, which leave.
	doTakeOver reloadEffect = "take-over"
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
	{reloadNone, reloadStop, reloadClosed, reloadNothing},

	{reloadReading, reloadAsked, reloadReading, doQueue},
	{reloadReading, reloadOvertaken, reloadReading, doReadAgain},
	{reloadReading, reloadAnew, reloadClosed, doRenew},
	{reloadReading, reloadUnusable, reloadNone, doKeep},
	{reloadReading, reloadSignal, reloadNone, doSignal},
	{reloadReading, reloadAsleep, reloadNone, doAdopt},
	{reloadReading, reloadBeside, reloadStarting, doStart},
	{reloadReading, reloadStopFirst, reloadSwitching, doSwitch},
	{reloadReading, reloadStop, reloadClosed, doAbort},

	{reloadStarting, reloadAsked, reloadStarting, doQueue},
	{reloadStarting, reloadProven, reloadNone, doTakeOver},
	{reloadStarting, reloadUntried, reloadTrying, doTakeOver},
	{reloadStarting, reloadFailed, reloadNone, doKeep},
	{reloadStarting, reloadStop, reloadClosed, doAbort},

	{reloadSwitching, reloadAsked, reloadSwitching, doQueue},
	{reloadSwitching, reloadProven, reloadNone, doTakeOver},
	{reloadSwitching, reloadUntried, reloadTrying, doTakeOver},
	{reloadSwitching, reloadFailed, reloadUndoing, doRestart},
	{reloadSwitching, reloadStop, reloadClosed, doAbort},

	{reloadTrying, reloadAsked, reloadTrying, doQueue},
	{reloadTrying, reloadAnswered, reloadNone, doFinish},
	{reloadTrying, reloadFailed, reloadUndoing, doRestore},
	{reloadTrying, reloadStop, reloadClosed, doAbort},

	{reloadUndoing, reloadAsked, reloadUndoing, doQueue},
	{reloadUndoing, reloadRestored, reloadNone, doUndone},
	{reloadUndoing, reloadBroken, reloadNone, doUndone},
	{reloadUndoing, reloadStop, reloadClosed, doAbort},

	{reloadClosed, reloadAsked, reloadClosed, doDecline},
}

// stepReload looks a transition up.
func stepReload(s reloadState, in reloadInput) (next reloadState, do reloadEffect) {
	for i := range reloadTable {
		if r := &reloadTable[i]; r.state == s && r.input == in {
			return r.next, r.effect
		}
	}
	return s, reloadNothing
}
