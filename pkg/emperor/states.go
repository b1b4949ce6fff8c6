package emperor

import (
	"fmt"
	"io"
)

// State is where a vassal's record is in its life.
type State string

// The states of a vassal.
const (
	// Idle: nothing runs and nothing is planned until the configuration changes.
	Idle State = "idle"
	// Queued: waits for a place among the launches.
	Queued State = "queued"
	// Launching: a launch goroutine runs hooks and clones.
	Launching State = "launching"
	// Cancelling: the launch was told to give up.
	Cancelling State = "cancelling"
	// Starting: the process has its order and boots.
	Starting State = "starting"
	// Running: the process accepts requests.
	Running State = "running"
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
	// Gone: the record is dropped.
	Gone State = "gone"
)

// Input is something that happened to a vassal.
type Input string

// The inputs of the life cycle.
const (
	// Want: there is a configuration to run, where there was none or another.
	Want Input = "want"
	// Drop: the vassal shall not exist any more.
	Drop Input = "drop"
	// Slot: the vassal's turn to launch has come.
	Slot Input = "slot"
	// Launched: the launch is over and the process has its order.
	Launched Input = "launched"
	// LaunchFailed: the launch is over and nothing is left of it.
	LaunchFailed Input = "launch-failed"
	// Accepting: the process says that it answers.
	Accepting Input = "accepting"
	// Exited: the process is dead and reaped.
	Exited Input = "exited"
	// Due: the time set on entering the state is over.
	Due Input = "due"
	// Hurry: the operator will not wait any longer.
	Hurry Input = "hurry"
	// Cleared: nothing of the dead generation is left.
	Cleared Input = "cleared"

	// Again, Wait, Rest and Forget are the answers of the settle effect: launch
	// now, launch later, do nothing, drop the record.
	Again  Input = "again"
	Wait   Input = "wait"
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
	// doLeave takes it out of that line.
	doLeave Effect = "leave"
	// doLaunch starts the launch goroutine with the wanted configuration.
	doLaunch Effect = "launch"
	// doCancel ends the context of the launch.
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
	// doClear starts the goroutine that removes what the generation left.
	doClear Effect = "clear"
	// doSettle decides what comes next.
	doSettle Effect = "settle"
	// doPause sets the time of the backoff.
	doPause Effect = "pause"
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
	{Idle, Want, Queued, doEnqueue},
	{Idle, Drop, Gone, doNothing},

	{Queued, Slot, Launching, doLaunch},
	{Queued, Drop, Gone, doLeave},

	{Launching, Launched, Starting, doNothing},
	{Launching, LaunchFailed, Settled, doMiss},
	{Launching, Want, Cancelling, doCancel},
	{Launching, Drop, Cancelling, doCancel},

	{Cancelling, Launched, Stopping, doStop},
	{Cancelling, LaunchFailed, Settled, doSettle},

	{Starting, Accepting, Running, doStable},
	{Starting, Exited, Clearing, doFail},
	{Starting, Want, Stopping, doStop},
	{Starting, Drop, Stopping, doStop},

	{Running, Due, Running, doForgive},
	{Running, Exited, Clearing, doFail},
	{Running, Want, Stopping, doStop},
	{Running, Drop, Stopping, doStop},

	{Stopping, Exited, Clearing, doClear},
	{Stopping, Due, Killing, doKill},
	{Stopping, Hurry, Killing, doKill},

	{Killing, Exited, Clearing, doClear},

	{Clearing, Cleared, Settled, doSettle},

	{Settled, Again, Queued, doEnqueue},
	{Settled, Wait, BackingOff, doPause},
	{Settled, Rest, Idle, doNothing},
	{Settled, Forget, Gone, doNothing},

	{BackingOff, Due, Queued, doEnqueue},
	{BackingOff, Want, Queued, doEnqueue},
	{BackingOff, Drop, Gone, doNothing},
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
	case Launching, Cancelling, Starting, Running, Stopping, Killing:
		return true
	}
	return false
}

// WriteStates prints the life cycle as a Markdown table, for docs/states.md.
func WriteStates(w io.Writer) error {
	if _, err := fmt.Fprint(w, "| state | input | next | effect |\n|---|---|---|---|\n"); err != nil {
		return err
	}
	for _, r := range table {
		if _, err := fmt.Fprintf(w, "| %s | %s | %s | %s |\n", r.state, r.input, r.next, r.effect); err != nil {
			return err
		}
	}
	return nil
}
