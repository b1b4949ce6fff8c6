package emperor

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/generated"
)

func TestNoTransitionIsListedTwice(t *testing.T) {
	seen := map[[2]string]bool{}
	for _, r := range table {
		key := [2]string{string(r.state), string(r.input)}
		if seen[key] {
			t.Errorf("%s x %s is in the table twice", r.state, r.input)
		}
		seen[key] = true
	}
}

func TestPairsThatAreMissingStayAndDoNothing(t *testing.T) {
	next, do, listed := step(Gone, Want)
	if next != Gone || do != doNothing || listed {
		t.Errorf("gone x want = %s, %q", next, do)
	}
}

// answers are the inputs that occur in each state without the operator. Idle and running may
// last for ever.
var answers = map[State][]Input{
	Queued:     {Slot},
	Reverting:  {Slot},
	Launching:  {Launched, LaunchFailed},
	Cancelling: {Launched, LaunchFailed},
	Waiting:    {Knock, Unbound, Hasty, Bound, SocketLost},
	Starting:   {Accepting, Ready, Exited, Curse, Leave, CutOff},
	Running:    {Exited, Due, Refresh, Curse, Mute, Leave, Late, Adjusted, Realigned, ReloadedItself, Reinforce, SocketLost, CutOff},
	Reloading:  {Ready, Refused, Due, Exited, Curse, Leave, Unable, Adjusted, Realigned, Reinforce, SocketLost, CutOff},
	Cursed:     {Exited, Due, KillNow, CutOff},
	Stopping:   {Exited, Due, KillNow, StopAgain, CutOff},
	Killing:    {Exited, End, CutOff},
	Clearing:   {Cleared},
	BackingOff: {Due},
	Throttled:  {Due},
}

// A change of the file has the way of an operator's restart, and both begin a gap where they end a
// process that serves. Reloads are asked of these states only, and each state with a process
// records the loss of its network.
func TestChangesAndReloadsInEveryState(t *testing.T) {
	for _, s := range States() {
		next, do, listed := step(s, Want)
		replaced, replace, asked := step(s, Replace)
		if s.in(serving) != (do == doStopChanged) {
			t.Errorf("%s: a restart does %q", s, do)
		}
		if replaced != next || asked != listed || replace != do {
			t.Errorf("%s: a change leads to %s by %q, and a restart to %s by %q", s, replaced, replace, next, do)
		}
		if next, _, listed = step(s, ReloadAsked); listed != s.in(serving) || next != s {
			t.Errorf("%s: a reload is accepted %v and leads to %s", s, listed, next)
		}
		if next, do, listed = step(s, CutOff); listed != s.in(alive) || next != s || do == doCut != s.in(serving) {
			t.Errorf("%s: the loss of the network is recorded %v, leads to %s by %q", s, listed, next, do)
		}
	}
}

// A vassal in the network of another one ends with it from each state that has a process, and a vassal in the
// line of launches leaves the line. A vassal that has no process yet follows from rest only.
func TestGuestsInEveryState(t *testing.T) {
	for _, s := range States() {
		stopped, _, _ := step(s, Drop)
		next, _, listed := step(s, HostEnds)
		if wants := s.in(withProcess) && stopped != s || s == Queued || s == Reverting; listed != wants || listed && next != stopped {
			t.Errorf("%s: the end of its network is listed %v, and leads to %s, a stop to %s", s, listed, next, stopped)
		}
		if next, do, listed := step(s, HostServes); listed != (s == Idle) || listed && (next != Settled || do != doSettle) {
			t.Errorf("%s: the begin of its network is listed %v, and leads to %s by %q", s, listed, next, do)
		}
	}
}

// Passages are the same for each way between two states, and a way out of a group undoes a way into it.
func TestPassages(t *testing.T) {
	effects := func(was, next State) string {
		var list []string
		for _, p := range passages {
			if p.has(was, next) {
				list = append(list, string(p.effect))
			}
		}
		return strings.Join(list, ", ")
	}
	for _, tt := range []struct {
		was, next State
		want      string
	}{
		{Running, Running, ""},
		{Settled, Queued, ""},
		{Settled, Idle, "forget-gap, explain-guests"},
		{Settled, Gone, "forget-gap, remove"},
		{Launching, Starting, "explain-guests"},
		{Starting, Running, "bridge, begin-guests"},
		{Running, Reloading, "count-reload"},
		{Reloading, Running, "bridge, uncount-reload"},
		{Reloading, Stopping, "uncount-reload, stop-zergs, end-guests"},
		{Running, Clearing, "stop-zergs, end-guests, leave-host"},
		{Stopping, Clearing, "leave-host"},
		{Killing, Gone, "forget-gap, remove, leave-host"},
	} {
		if got := effects(tt.was, tt.next); got != tt.want {
			t.Errorf("%s -> %s: %s, want %s", tt.was, tt.next, got, tt.want)
		}
	}
}

// Walk the table in random order, as the loop would see it: from any state, a vassal that is
// dropped must end, and a dropped vassal must never have a second process.
func TestRandomWalkAlwaysEnds(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	reached := map[State]bool{Idle: true}
	for range 2000 {
		state, process, wanted := Idle, false, true
		for steps := 0; state != Gone; steps++ {
			if steps > 1000 {
				t.Fatalf("seed %d: still %s after %d steps", seed, state, steps)
			}
			in := []Input{Want, Replace, Soon, Begin, Renewed, Forgiven, ReloadAsked, HostServes, HostEnds}[random.IntN(9)]
			switch {
			case steps == 100:
				wanted, in = false, Drop
			case state == Settled && !wanted:
				in = Forget
			case state == Settled:
				in = []Input{Again, Revert, Sleep, Wait, Hold, Rest}[random.IntN(6)]
			case len(answers[state]) > 0 && (!wanted || random.IntN(4) > 0):
				in = answers[state][random.IntN(len(answers[state]))]
			}
			next, do, _ := step(state, in)
			if do == doLaunch {
				if process || !wanted {
					t.Fatalf("seed %d: %s x %s launches (process %v, wanted %v)", seed, state, in, process, wanted)
				}
				process = true
			}
			if do == doSettle || do == doMiss {
				process = false
			}
			if next.in(alive) && !process {
				t.Fatalf("seed %d: %s x %s has a process that was not launched", seed, state, in)
			}
			state = next
			reached[state] = true
		}
	}
	for _, r := range table {
		if !reached[r.state] || !reached[r.next] {
			t.Errorf("%s -> %s was never reached", r.state, r.next)
		}
	}
}

func TestBackoffJitter(t *testing.T) {
	b := Backoff{Initial: time.Second, Max: 10 * time.Second, Jitter: 0.1}
	if got := b.wait(1, 0.5); got != 1050*time.Millisecond {
		t.Errorf("half a chance of a tenth makes %v", got)
	}
}

func TestStateDocumentIsCurrent(t *testing.T) {
	generated.Current(t, "../../docs/states.md", writeStates)
}

// Every word of the table is explained exactly once, and no other words are.
func TestEveryWordOfTheTableIsExplained(t *testing.T) {
	used := map[string]map[string]bool{"state": {}, "input": {}, "effect": {}, "group": {}}
	for _, p := range passages {
		used["effect"][string(p.effect)] = true
		if len(groups[p.group]) > 0 {
			used["group"][string(p.group)] = true
		}
	}
	for _, r := range table {
		used["state"][string(r.state)], used["state"][string(r.next)] = true, true
		used["input"][string(r.input)] = true
		if r.effect != doNothing {
			used["effect"][string(r.effect)] = true
		}
	}
	for kind, words := range map[string][]word{"state": stateWords, "input": inputWords, "effect": effectWords, "group": groupWords} {
		for _, w := range words {
			if !used[kind][w.name] || w.meaning == "" {
				t.Errorf("the %s %q is not in the table, or twice among what is explained, or without a meaning", kind, w.name)
			}
			delete(used[kind], w.name)
		}
		for name := range used[kind] {
			t.Errorf("the %s %q is not explained", kind, name)
		}
	}
}
