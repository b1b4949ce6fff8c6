package workers

// daemonState is the state of a daemon.
type daemonState string

const (
	// daemonHeld: it is started when all ending daemons are gone.
	daemonHeld daemonState = "held"
	// daemonStarting: transient; it is started, unless its pid file names a process that runs.
	daemonStarting daemonState = "starting"
	// daemonRunning: it is a child and runs.
	daemonRunning daemonState = "running"
	// daemonDetaching: a child puts it into the background. Its pid file is not there yet.
	daemonDetaching daemonState = "detaching"
	// daemonSearched: transient; its pid file is read again.
	daemonSearched daemonState = "searched"
	// daemonAdopted: it runs as the process that its pid file names.
	daemonAdopted daemonState = "adopted"
	// daemonEnded: transient; it does not run, and the consequence is looked up.
	daemonEnded daemonState = "ended"
	// daemonPausing: it is started again after a pause.
	daemonPausing daemonState = "pausing"
	// daemonLeaving: it was asked to stop.
	daemonLeaving daemonState = "leaving"
	// daemonKilling: it did not stop in time and was killed.
	daemonKilling daemonState = "killing"
	// daemonGone: its record is dropped.
	daemonGone daemonState = "gone"
)

// daemonInput is an event of a daemon's life.
type daemonInput string

const (
	daemonFree      daemonInput = "free"      // no daemon is ending
	daemonStarted   daemonInput = "started"   // starting: its child is the daemon
	daemonLaunched  daemonInput = "launched"  // starting: its child puts the daemon into the background
	daemonFound     daemonInput = "found"     // its pid file names a process that runs
	daemonRefused   daemonInput = "refused"   // starting: it cannot be started
	daemonEarly     daemonInput = "early"     // searched: its pid file may still come
	daemonLate      daemonInput = "late"      // searched: it took too long
	daemonDue       daemonInput = "due"       // the time of its state is over
	daemonTouched   daemonInput = "touched"   // a file on which it depends has changed
	daemonReread    daemonInput = "reread"    // it shall read its own files again
	daemonDismissed daemonInput = "dismissed" // it is not wanted any more
	daemonExited    daemonInput = "exited"    // it is dead
	daemonSpared    daemonInput = "spared"    // ended: the vassal does without it for a while
	daemonFatal     daemonInput = "fatal"     // ended: the vassal does not do without it
)

// daemonEffect is the action of a transition.
type daemonEffect string

const (
	daemonNothing daemonEffect = ""
	// doLaunch starts it, unless its pid file names a process that runs.
	doLaunch daemonEffect = "launch"
	// doAwaitPidfile sets the time at which its pid file is read again, and doSearch reads it.
	doAwaitPidfile daemonEffect = "await-pidfile"
	doSearch       daemonEffect = "search"
	// doInterrupt asks it to stop, for another start.
	doInterrupt daemonEffect = "interrupt"
	// doHangUp sends its reload signal, if it has one.
	doHangUp daemonEffect = "hang-up"
	// doNoteRefusal and doNoteExit look up the consequence of an end.
	doNoteRefusal daemonEffect = "note-refusal"
	doNoteExit    daemonEffect = "note-exit"
	// doPause sets the time of the next start.
	doPause daemonEffect = "pause"
	// doFailVassal stops the vassal.
	doFailVassal daemonEffect = "fail-vassal"
	// doTerminate asks it to stop and sets the time of the kill, and doDestroy kills it.
	doTerminate daemonEffect = "terminate"
	doDestroy   daemonEffect = "destroy"
	// doRelease drops the record. A process that its pid file names survives.
	doRelease daemonEffect = "release"
	// doRemove records how it left, drops the record, and starts the daemons that waited for it.
	doRemove daemonEffect = "remove"
)

// daemonRow is one transition.
type daemonRow struct {
	state  daemonState
	input  daemonInput
	next   daemonState
	effect daemonEffect
}

// daemonTable is the whole life of a daemon.
var daemonTable = [...]daemonRow{
	{daemonHeld, daemonFree, daemonStarting, doLaunch},
	{daemonHeld, daemonDismissed, daemonGone, doRelease},

	{daemonStarting, daemonStarted, daemonRunning, daemonNothing},
	{daemonStarting, daemonLaunched, daemonDetaching, doAwaitPidfile},
	{daemonStarting, daemonFound, daemonAdopted, daemonNothing},
	{daemonStarting, daemonRefused, daemonEnded, doNoteRefusal},

	{daemonRunning, daemonTouched, daemonRunning, doInterrupt},
	{daemonRunning, daemonReread, daemonRunning, doHangUp},
	{daemonRunning, daemonDismissed, daemonLeaving, doTerminate},
	{daemonRunning, daemonExited, daemonEnded, doNoteExit},

	{daemonDetaching, daemonDue, daemonSearched, doSearch},
	{daemonDetaching, daemonTouched, daemonDetaching, doInterrupt},
	{daemonDetaching, daemonDismissed, daemonGone, doRelease},

	{daemonSearched, daemonFound, daemonAdopted, daemonNothing},
	{daemonSearched, daemonEarly, daemonDetaching, doAwaitPidfile},
	{daemonSearched, daemonLate, daemonStarting, doLaunch},

	{daemonAdopted, daemonTouched, daemonAdopted, doInterrupt},
	{daemonAdopted, daemonDismissed, daemonGone, doRelease},
	{daemonAdopted, daemonExited, daemonEnded, doNoteExit},

	{daemonEnded, daemonSpared, daemonPausing, doPause},
	{daemonEnded, daemonFatal, daemonGone, doFailVassal},

	{daemonPausing, daemonDue, daemonStarting, doLaunch},
	{daemonPausing, daemonDismissed, daemonGone, doRelease},

	{daemonLeaving, daemonDue, daemonKilling, doDestroy},
	{daemonLeaving, daemonExited, daemonGone, doRemove},

	{daemonKilling, daemonDue, daemonKilling, doDestroy},
	{daemonKilling, daemonExited, daemonGone, doRemove},
}

// stepDaemon looks a transition up.
func stepDaemon(s daemonState, in daemonInput) (next daemonState, do daemonEffect) {
	for i := range daemonTable {
		if r := &daemonTable[i]; r.state == s && r.input == in {
			return r.next, r.effect
		}
	}
	return s, daemonNothing
}

// ending reports whether a daemon was asked to stop and still lives.
func (s daemonState) ending() bool { return s == daemonLeaving || s == daemonKilling }

// held reports whether a daemon has not been started yet.
func (s daemonState) held() bool { return s == daemonHeld }

// killed reports whether a daemon was killed because it did not stop in time.
func (s daemonState) killed() bool { return s == daemonKilling }
