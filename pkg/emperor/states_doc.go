package emperor

import (
	"fmt"
	"io"
	"strings"
)

// word is a name of the table, with its meaning for operators.
type word struct{ name, meaning string }

// stateWords, inputWords and effectWords explain the table, in the order of a life.
var (
	stateWords = []word{
		{string(Idle), "nothing runs until the file changes or the operator starts it; `reason` in `status` explains it"},
		{string(Waiting), "on demand: the socket is there, and the first connection starts it"},
		{string(Queued), "waits for a place among the launches (`emperor-concurrency`)"},
		{string(Reverting), "its last edit did not become ready: waits, as in `queued`, to be launched with the configuration before it"},
		{string(Launching), "the hooks before it and beside it run, and it is cloned"},
		{string(Cancelling), "its launch was cancelled, and its resources are removed"},
		{string(Starting), "it has its order and boots; `waits_for` in `status` is its current wait"},
		{string(Running), "it accepts requests"},
		{string(Reloading), "it was asked to reload, and serves as before until it answers"},
		{string(Cursed), "it closed its pipe and lives; after `emperor-curse-tolerance` it is killed"},
		{string(Stopping), "it was asked to stop; after `reload-mercy` it is killed. One that boots ends 1 s after, unless a hook runs"},
		{string(Killing), "it was killed, with all its processes; one in a system call ends when that returns"},
		{string(Clearing), "it is reaped; the resources of its generation are removed, and the hooks of its end run"},
		{string(Settled), "transient: the next step is decided"},
		{string(BackingOff), "waits before the next launch, because the last generation failed"},
		{string(Throttled), "waits before the next launch, because its file changes too often (`emperor-change-pause`)"},
		{string(Gone), "its record is dropped"},
	}
	inputWords = []word{
		{string(Want), "it needs a new process: it is a new zerg, or the operator restarts it"},
		{string(Replace), "a change needs a new process"},
		{string(Soon), "a change of the file needs a new process, too soon after the last such change"},
		{string(Drop), "it shall not run: its file is gone, the operator stopped it, or the emperor stops"},
		{string(Begin), "the operator starts it"},
		{string(Renewed), "the operator resets it"},
		{string(Forgiven), "the operator has forgotten the failures of all vassals"},
		{string(Leave), "it wants to stop"},
		{string(Reinforce), "it wants a zerg"},
		{string(Alone), "the last vassal in its network has ended"},
		{string(HostServes), "the vassal whose network it is to have begins to serve"},
		{string(HostEnds), "the vassal whose network it has ceases to serve"},
		{string(StopAgain), "the operator stops it again, and it has not accepted requests yet"},
		{string(End), "the emperor stops"},
		{string(Refresh), "the process shall take over a configuration: after a change that it can take over, a touch, or the operator's reload"},
		{string(ReloadAsked), "the operator asks for a reload, of it or of all"},
		{string(Knock), "the first connection has come, or it is not on demand"},
		{string(Bound), "its socket is there, or must be bound again"},
		{string(SocketLost), "the path of its socket was removed"},
		{string(Unbound), "its socket cannot be bound, or its file binds the same address"},
		{string(Hasty), "a connection waits, and it has just stopped by itself, right after its start"},
		{string(Slot), "its turn to launch has come"},
		{string(Launched), "the launch is over, and it has its order"},
		{string(LaunchFailed), "the launch is over, and nothing is left of it"},
		{string(Accepting), "it accepts requests"},
		{string(Ready), "it accepts requests, which also answers a reload"},
		{string(Adjusted), "its limits and its network were changed after an edit, or could not be"},
		{string(Realigned), "they were changed back to the configuration in effect, or could not be"},
		{string(Late), "it has taken a reload over that it had not answered in time"},
		{string(Unable), "it cannot take the configuration over without a new process, or cannot be asked"},
		{string(ReloadedItself), "it reports a reload that it made by itself"},
		{string(Refused), "it reports that it cannot reload"},
		{string(Curse), "it closed its pipe and lives"},
		{string(CutOff), "it has lost its network"},
		{string(Mute), "it sent heartbeats, and has not for `emperor-required-heartbeat`"},
		{string(Exited), "it is dead and reaped"},
		{string(Due), "the time that was set in this state is over"},
		{string(KillNow), "the operator has asked the emperor twice to stop"},
		{string(Cleared), "nothing is left of the dead generation"},
		{string(Lost), "the emperor stops, and it does not end"},
		{string(Again), "decided: launch it"},
		{string(Revert), "decided: the last edit did not become ready, so launch the configuration before it"},
		{string(Sleep), "decided: find out whether it is on demand, and wait for a connection"},
		{string(SleepEdited), "decided: the same, with another configuration than before"},
		{string(Wait), "decided: it failed, so launch it later"},
		{string(Hold), "decided: its file changes too often, so launch it later"},
		{string(Rest), "decided: it is stopped, has exited with 26, has stopped by itself, or has failed too often"},
		{string(Forget), "decided: its file is gone"},
	}
	effectWords = []word{
		{string(doEnqueue), "it is put in the line of launches"},
		{string(doDequeue), "it is taken out of that line; then settle"},
		{string(doRevert), "the edit counts as refused until the file changes or an operator asks for it; then enqueue"},
		{string(doRetry), "a refused edit counts again"},
		{string(doBegin), "a refused edit counts again, and a pause ends; then settle"},
		{string(doLaunch), "the next generation is launched, with the newest bytes, or the ones before when these were refused"},
		{string(doCancel), "the launch is cancelled, or the hooks of its end"},
		{string(doCancelGuest), "the launch is cancelled, because its network ends"},
		{string(doStable), "the time is set after which failures are forgotten (`emperor-backoff-reset`)"},
		{string(doForgive), "its failures are forgotten"},
		{string(doStop), "it is asked to stop, and `reload-mercy` begins"},
		{string(doStopChanged), "the time without a process begins that the change causes; then stop"},
		{string(doStopGuest), "that its network ends is logged; then stop"},
		{string(doStopLeft), "that it stops by itself is recorded; then stop"},
		{string(doStopSocket), "its socket is to be made again; then stop"},
		{string(doKill), "it is killed"},
		{string(doExpect), "the time begins in which a killed process must end"},
		{string(doZerg), "a zerg is started, within `emperor-broodlord`"},
		{string(doTrace), "the processes that do not end are named; an emperor that stops ends without them"},
		{string(doFail), "a failure is counted; then clear"},
		{string(doMiss), "a failure is counted; then settle"},
		{string(doClear), "the resources of the generation are removed, and the hooks of its end run"},
		{string(doEnd), "its configuration counts as one that has been ready; then clear"},
		{string(doRest), "a rest begins, until the file changes or the operator starts it"},
		{string(doSettle), "the desired state and the last generation are compared"},
		{string(doPause), "the backoff begins"},
		{string(doHold), "the pause between changes goes on, without a process"},
		{string(doPostpone), "the pause between changes continues meanwhile; after it the newest file counts"},
		{string(doResume), "the failure of the last generation is forgotten; then settle"},
		{string(doWatch), "its socket is bound if it has none yet, and watched"},
		{string(doWatchEdited), "the change is counted, its socket is watched again, and the hooks of a change while it waits run"},
		{string(doRewatch), "its new socket is watched"},
		{string(doRebind), "its socket is bound again and watched"},
		{string(doUnwatch), "its socket is not watched any more; then settle"},
		{string(doUnbound), "a failure is counted; then settle"},
		{string(doHasten), "a failure is counted; then settle"},
		{string(doForget), "its socket is closed and removed"},
		{string(doReload), "it is asked to reload, and `emperor-reload-timeout` begins"},
		{string(doAdjusted), "the rest of the edit follows: in place, or nothing, or by a new process when there is a newer edit"},
		{string(doRealigned), "its limits and its network are compared again with the configuration in effect"},
		{string(doTaken), "the new bytes are in effect"},
		{string(doTakenLate), "the new bytes are in effect after all"},
		{string(doExpire), "the reload was not answered; the old bytes stay in effect"},
		{string(doRefresh), "it gets its wanted configuration again, also one that it has refused: in place, or by a new process"},
		{string(doNoteCut), "the loss is recorded"},
		{string(doCut), "the loss is recorded; with `network-lost = restart` it gets a new process"},
		{string(doReplace), "it gets a new process, now or after the pause between changes"},
		{string(doOwnReload), "the result of that reload is recorded"},
		{string(doRefuse), "the reload has failed; the old bytes stay in effect"},
		{string(doCurse), "a failure is counted, and `emperor-curse-tolerance` begins"},
		{string(doSilence), "a failure is counted; then stop"},
		{string(doBridge), "the time without a process that a change has caused is noted"},
		{string(doForgetGap), "that time is forgotten: it does not restart by itself"},
		{string(doRemove), "the record is dropped"},
		{string(doCountReload), "it counts as one of the vassals that reload (`emperor-concurrency`)"},
		{string(doUncountReload), "it does not count any more"},
		{string(doStopZergs), "its zergs end"},
		{string(doExplainGuests), "vassals for its network wait for another reason"},
		{string(doBeginGuests), "vassals for its network get the input host-serves"},
		{string(doEndGuests), "vassals in its network get the input host-ends"},
		{string(doLeaveHost), "the vassal whose network it had gets the input alone, if it was the last one there"},
	}

	// groupWords explain the groups of states that have passages.
	groupWords = []word{
		{string(withProcess), "a process of it may exist"},
		{string(serving), "it answers"},
		{string(resting), "it does not restart by itself"},
	}
)

const statesIntroduction = `# The life of a vassal

Generated from the table in pkg/emperor/states.go by ` + "`make docs`" + `. An input that a state does not list changes
nothing: late, repeated and pointless inputs are harmless.

` + "`settled`" + ` is transient: the emperor decides about the next step there, first by the desired state (run, stopped by
the operator, withdrawn: ` + "`desired`" + ` in ` + "`status`" + `), then by the restart policy. A vassal failed when it died, could not be
launched, closed its pipe or fell silent without being asked to stop; the pause before its next launch is ` + "`emperor-backoff`" + `
(uWSGI: ` + "`emperor-throttle`" + `), which doubles with each failure in a row up to ` + "`emperor-backoff-max`" + ` (` + "`emperor-max-throttle`" + `). A run
of ` + "`emperor-backoff-reset`" + `, a changed or touched file that takes a new process, and the operator's start or reset forget all
failures.

The first change of a file that takes a new process gets it at once. After that there is a pause of a second, which doubles while
changes come within it up to ` + "`emperor-change-pause`" + `; a change that comes within it waits for its end, beside the process that runs, and
of several the last one counts. A minute without such a change forgets it all. Changes that the running process takes over wait for
nothing, and neither does the operator's start, restart, reload or reset. Only reset makes the pause a second again. A file that is removed and
is there again is a change.
`

// writeStates prints the life cycle as a diagram and tables in Markdown, for
// docs/states.md.
func writeStates(w io.Writer) error {
	var b strings.Builder
	b.WriteString(statesIntroduction)
	b.WriteString("\n```mermaid\nstateDiagram-v2\n    [*] --> idle\n")
	seen := map[[2]State]bool{}
	for _, r := range table {
		way := [2]State{r.state, r.next}
		if r.state == r.next || seen[way] {
			continue
		}
		seen[way] = true
		fmt.Fprintf(&b, "    %s --> %s: %s\n", r.state, r.next, strings.Join(between(r.state, r.next), ", "))
	}
	b.WriteString("    gone --> [*]\n```\n")
	writeWords(&b, "state", stateWords)
	writeWords(&b, "input", inputWords)
	b.WriteString("\n| state | input | next | effect |\n|---|---|---|---|\n")
	for _, r := range table {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.state, r.input, r.next, r.effect)
	}
	writePassages(&b)
	writeWords(&b, "effect", effectWords)
	_, err := io.WriteString(w, b.String())
	return err
}

// writePassages prints the effects that do not depend on the input.
func writePassages(b *strings.Builder) {
	b.WriteString("\nA transition into a group of states, or out of it, has these effects before its own, whatever its input is:\n")
	b.WriteString("\n| | group | effect |\n|---|---|---|\n")
	for _, p := range passages {
		fmt.Fprintf(b, "| %s | %s | %s |\n", p.crossing, p.group, p.effect)
	}
	b.WriteString("\n| group | meaning | states |\n|---|---|---|\n")
	for _, w := range groupWords {
		members := make([]string, len(groups[group(w.name)]))
		for i, s := range groups[group(w.name)] {
			members[i] = string(s)
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", w.name, w.meaning, strings.Join(members, ", "))
	}
}

// between are the inputs that lead from one state to another.
func between(from, to State) (inputs []string) {
	for _, r := range table {
		if r.state == from && r.next == to {
			inputs = append(inputs, string(r.input))
		}
	}
	return inputs
}

func writeWords(b *strings.Builder, what string, words []word) {
	fmt.Fprintf(b, "\n| %s | meaning |\n|---|---|\n", what)
	for _, w := range words {
		fmt.Fprintf(b, "| %s | %s |\n", w.name, w.meaning)
	}
}
