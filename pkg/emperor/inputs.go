package emperor

// Input is something that happened to a vassal.
type Input string

// The inputs of the life cycle.
const (
	// Want: there is something to run, and it needs a new process.
	Want Input = "want"
	// Replace: as Want, for a change that needs a new process. Soon: for one that comes too soon
	// after the last one.
	Replace Input = "replace"
	Soon    Input = "soon"
	// Drop: the vassal shall not run any more: its file is gone, or the operator
	// stopped it.
	Drop Input = "drop"
	// Begin and Renewed: the operator's start and reset. Forgiven: the operator has forgotten the
	// failures of all vassals.
	Begin    Input = "begin"
	Renewed  Input = "renewed"
	Forgiven Input = "forgiven"
	// Leave: the process wants to stop. Reinforce: it wants a zerg.
	Leave     Input = "leave"
	Reinforce Input = "reinforce"
	// Alone: the last vassal in its network has ended. HostServes and HostEnds: the vassal whose
	// network it has begins and ceases to serve.
	Alone      Input = "alone"
	HostServes Input = "host-serves"
	HostEnds   Input = "host-ends"
	// StopAgain: the operator stops a vassal again that has not accepted requests yet.
	StopAgain Input = "stop-again"
	// End: the emperor stops.
	End Input = "end"
	// Refresh: the process shall take over a configuration.
	Refresh Input = "refresh"
	// ReloadAsked: the operator asks for a reload, of the vassal or of all.
	ReloadAsked Input = "reload-asked"
	// Knock: the first connection has come, or the vassal is not on demand.
	Knock Input = "knock"
	// Bound: the socket of an on-demand vassal is there, or has to be bound again.
	Bound Input = "bound"
	// SocketLost: the path of that socket was removed.
	SocketLost Input = "socket-lost"
	// Unbound: the socket of an on-demand vassal cannot be bound.
	Unbound Input = "unbound"
	// Hasty: a connection waits for a vassal that has just stopped by itself, right after
	// its start.
	Hasty Input = "hasty"
	// Slot: the vassal's turn to launch has come.
	Slot Input = "slot"
	// Launched: the launch is over and the process has its order.
	Launched Input = "launched"
	// LaunchFailed: the launch is over and nothing is left of it.
	LaunchFailed Input = "launch-failed"
	// Accepting: the process accepts requests. Ready: it does, and that answers a reload.
	Accepting Input = "accepting"
	Ready     Input = "ready"
	// Adjusted and Realigned: its limits and its network were changed, or could not be: for the
	// wanted configuration, and back to the one in effect.
	Adjusted  Input = "adjusted"
	Realigned Input = "realigned"
	// Late: it has taken a reload over that it had not answered in time.
	Late Input = "late"
	// Unable: the process cannot take the configuration over, or cannot be asked.
	Unable Input = "unable"
	// ReloadedItself: the process reports a reload that it made by itself.
	ReloadedItself Input = "reloaded-itself"
	// Refused: the process reports that it cannot reload.
	Refused Input = "refused"
	// Curse: the process closed its pipe and lives.
	Curse Input = "curse"
	// CutOff: the process has lost its network.
	CutOff Input = "cut-off"
	// Mute: the process sends no heartbeats any more.
	Mute Input = "mute"
	// Exited: the process is dead and reaped.
	Exited Input = "exited"
	// Due: the time set on entering the state is over.
	Due Input = "due"
	// KillNow: the operator has asked the emperor twice to stop.
	KillNow Input = "kill-now"
	// Cleared: nothing of the dead generation is left.
	Cleared Input = "cleared"
	// Lost: the emperor ends, and a killed process does not.
	Lost Input = "lost"

	// Again, Revert, Sleep, Wait, Hold, Rest and Forget are the answers of the settle effect. Again launches
	// now, Revert launches the configuration before the last edit now, and Sleep launches on demand. Wait
	// launches later for its failures, and Hold for changes of its file. Rest does nothing, and Forget drops
	// the record.
	Again  Input = "again"
	Revert Input = "revert"
	Sleep  Input = "sleep"
	// SleepEdited is Sleep for a vassal whose configuration has changed while it waited.
	SleepEdited Input = "sleep-edited"
	Wait        Input = "wait"
	Hold        Input = "hold"
	Rest        Input = "rest"
	Forget      Input = "forget"
)
