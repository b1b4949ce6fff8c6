package workers

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/generated"
)

const introduction = `# Workers and reloads

This page is generated from the two tables in ` + "`pkg/vassal/workers/states.go`" + ` by ` + "`make docs`" + `. An input that a state does not list
changes nothing: late, repeated and pointless inputs are harmless.
`

func TestWorkersDocumentIsCurrent(t *testing.T) {
	generated.Current(t, "../../../docs/workers.md", func(w io.Writer) error {
		text := introduction + "\n## The life of a worker\n\n| state | input | next state | effect |\n|---|---|---|---|\n"
		for _, r := range workerTable {
			text += fmt.Sprintf("| %s | %s | %s | %s |\n", r.state, r.input, r.next, r.effect)
		}
		text += "\n`checking` is transient: it looks up the next condition of readiness.\n" +
			"\n## A reload\n\n| state | input | next state | effect |\n|---|---|---|---|\n"
		for _, r := range reloadTable {
			text += fmt.Sprintf("| %s | %s | %s | %s |\n", r.state, r.input, r.next, r.effect)
		}
		_, err := io.WriteString(w, text)
		return err
	})
}

func TestNoTransitionIsListedTwice(t *testing.T) {
	seen := map[string]bool{}
	note := func(key string) {
		if seen[key] {
			t.Errorf("%s is in the tables twice", key)
		}
		seen[key] = true
	}
	for _, r := range workerTable {
		note(fmt.Sprint("worker ", r.state, " x ", r.input))
	}
	for _, r := range reloadTable {
		note(fmt.Sprint("reload ", r.state, " x ", r.input))
	}
}

// A worker that is dismissed and then exits is gone, from each state that a random walk reaches. A
// dead worker has no transition that signals its process.
func TestRandomWalkOfAWorkerEnds(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	reached := map[workerState]bool{}
	for range 2000 {
		state, dead := workerStarting, false
		for steps := 0; state != workerGone; steps++ {
			reached[state] = true
			in := workerTable[random.IntN(len(workerTable))].input
			if steps > 20 && state != workerChecking {
				in = workerDismissed
				if state.leaving() {
					in = workerExited
				}
			}
			if steps > 1000 {
				t.Fatalf("seed %d: still %s", seed, state)
			}
			next, do := stepWorker(state, in)
			if dead && (do == doAsk || do == doGiveUp || do == doKill) {
				t.Fatalf("seed %d: %s x %s signals a dead process", seed, state, in)
			}
			dead = dead || in == workerExited && next != state
			state = next
		}
	}
	for _, r := range workerTable {
		if !reached[r.state] {
			t.Errorf("%s was never reached", r.state)
		}
	}
}

// A reload ends with the stop of the vassal in every state, and until then each one that was begun is
// answered before the next one begins.
func TestRandomWalkOfReloads(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	reached := map[reloadState]bool{}
	answers := map[reloadEffect]bool{
		doSignal: true, doAdopt: true, doFinish: true, doKeep: true, doUndone: true, doAbort: true, doRenew: true,
	}
	for range 2000 {
		state, open := reloadNone, false
		for range random.IntN(60) {
			reached[state] = true
			in := reloadTable[random.IntN(len(reloadTable))].input
			next, do := stepReload(state, in)
			if do == doRead {
				if open {
					t.Fatalf("seed %d: %s x %s begins a second reload", seed, state, in)
				}
				open = true
			}
			if answers[do] || do == doTakeOver && next == reloadNone {
				open = false
			}
			state = next
			if r := (reloader{state: state}); r.active() != open {
				t.Fatalf("seed %d: %s after %s is active: %v, answered: %v", seed, state, in, r.active(), !open)
			}
		}
		if next, _ := stepReload(state, reloadStop); next != reloadClosed {
			t.Fatalf("seed %d: %s x stop = %s", seed, state, next)
		}
		reached[reloadClosed] = true
	}
	for _, r := range reloadTable {
		if !reached[r.state] {
			t.Errorf("%s was never reached", r.state)
		}
	}
}
