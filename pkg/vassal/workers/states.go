package workers

// The life of a worker, the life of a daemon and the course of a reload are tables: here, in
// daemon_states.go and in reload_states.go. A pair of state and input that is not in its table
// changes nothing, on purpose: late, repeated and pointless inputs are harmless. docs/workers.md is
// printed from them. No other file compares a state with a constant.

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
	workerFrontLeft workerInput = "front-left"    // the server before it has left
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
	// doReady runs the hooks of a ready worker, and continues steps that wait for one.
	// doProve does too, and sets the time of proof.
	doReady workerEffect = "ready"
	doProve workerEffect = "prove"
	// doProven continues steps that wait for a proven worker.
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
	{workerChecking, workerProof, workerProving, doProve},
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

	{workerRetiring, workerFrontLeft, workerLeaving, doAsk},
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

// proven reports whether a worker has also lived for the time of proof.
func (s workerState) proven() bool { return s == workerServing }

// killed reports whether a worker was killed because it did not stop in time.
func (s workerState) killed() bool { return s == workerKilling }

// leaving reports whether a worker was asked to end and lives.
func (s workerState) leaving() bool {
	return s == workerRetiring || s == workerLeaving || s == workerKilling
}

// announced reports whether a worker that must send READY=1 has done so.
func (s workerState) announced() bool { return s != workerStarting && s != workerAnnouncing }
