package workers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/generated"
)

const introduction = `# Workers and reloads

This page is generated from the tables in ` + "`pkg/vassal/workers`" + ` (` + "`states.go`, `daemon_states.go` and `reload_states.go`" + `) by ` + "`make docs`" + `.
An input that a state does not list changes nothing: late, repeated and pointless inputs are harmless.

A vassal whose only program is the built-in server needs no master, and these tables do not apply to it: see
[server-alone.md](server-alone.md).
`

func TestWorkersDocumentIsCurrent(t *testing.T) {
	generated.Current(t, "../../../docs/workers.md", func(w io.Writer) error {
		text := introduction + "\n## The life of a worker\n\n| state | input | next state | effect |\n|---|---|---|---|\n"
		for _, r := range workerTable {
			text += fmt.Sprintf("| %s | %s | %s | %s |\n", r.state, r.input, r.next, r.effect)
		}
		text += "\n`checking` is transient: it looks up the next condition of readiness.\n" +
			"\n## The life of a daemon\n\n| state | input | next state | effect |\n|---|---|---|---|\n"
		for _, r := range daemonTable {
			text += fmt.Sprintf("| %s | %s | %s | %s |\n", r.state, r.input, r.next, r.effect)
		}
		text += "\n`starting`, `searched` and `ended` are transient.\n" +
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
	for _, r := range daemonTable {
		note(fmt.Sprint("daemon ", r.state, " x ", r.input))
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
					in = []workerInput{workerExited, workerFrontLeft}[random.IntN(2)]
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

// A daemon that is dismissed and then exits is gone, from each state that a random walk reaches. No effect signals
// a daemon without a process, and none starts a second process of a daemon that is a child.
func TestRandomWalkOfADaemonEnds(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	reached := map[daemonState]bool{daemonGone: true}
	signals := map[daemonEffect]bool{doInterrupt: true, doHangUp: true, doTerminate: true, doDestroy: true}
	results := map[daemonState][]daemonInput{
		daemonStarting: {daemonStarted, daemonLaunched, daemonFound, daemonRefused},
		daemonSearched: {daemonFound, daemonEarly, daemonLate},
		daemonEnded:    {daemonSpared, daemonFatal},
	}
	for range 2000 {
		state, lives := daemonHeld, false
		for steps := 0; state != daemonGone; steps++ {
			reached[state] = true
			in := daemonTable[random.IntN(len(daemonTable))].input
			if steps > 20 {
				in = []daemonInput{daemonDismissed, daemonExited}[random.IntN(2)]
			}
			if now := results[state]; now != nil {
				in = now[random.IntN(len(now))]
			}
			if steps > 1000 {
				t.Fatalf("seed %d: still %s", seed, state)
			}
			next, do := stepDaemon(state, in)
			if signals[do] && !lives {
				t.Fatalf("seed %d: %s x %s signals a daemon that does not run", seed, state, in)
			}
			if do == doLaunch && lives && state != daemonSearched {
				t.Fatalf("seed %d: %s x %s starts a second process", seed, state, in)
			}
			switch {
			case next == state:
			case in == daemonExited:
				lives = false
			case in == daemonStarted, in == daemonLaunched, in == daemonFound:
				lives = true
			case in == daemonRefused:
				lives = false
			}
			state = next
		}
	}
	for _, r := range daemonTable {
		if !reached[r.state] || !reached[r.next] {
			t.Errorf("%s -> %s was never reached", r.state, r.next)
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
		doTakeOver: true, doReplaceOld: true,
	}
	for range 2000 {
		state, open := reloadNone, false
		for range random.IntN(60) {
			reached[state] = true
			in := reloadTable[random.IntN(len(reloadTable))].input
			next, do, _ := stepReload(state, in)
			if do == doRead {
				if open {
					t.Fatalf("seed %d: %s x %s begins a second reload", seed, state, in)
				}
				open = true
			}
			if answers[do] {
				open = false
			}
			state = next
			if state.active() != open {
				t.Fatalf("seed %d: %s after %s is active: %v, answered: %v", seed, state, in, state.active(), !open)
			}
		}
		if next, _, _ := stepReload(state, reloadStop); next != reloadClosed {
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

// States decide in the tables. Other code may ask a state for a property, and does not compare it.
func TestStatesAreInTheTables(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]bool{}
	var others []*ast.File
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, "states.go") {
			others = append(others, f)
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				if kind, ok := spec.Type.(*ast.Ident); ok && strings.HasSuffix(kind.Name, "State") {
					constants[spec.Names[0].Name] = true
				}
			}
			return true
		})
	}
	if len(constants) != 11+11+7 {
		t.Errorf("%d states", len(constants))
	}
	for _, f := range others {
		ast.Inspect(f, func(n ast.Node) bool {
			var list []ast.Expr
			switch n := n.(type) {
			case *ast.BinaryExpr:
				list = []ast.Expr{n.X, n.Y}
			case *ast.CaseClause:
				list = n.List
			}
			for _, e := range list {
				if id, ok := e.(*ast.Ident); ok && constants[id.Name] {
					t.Errorf("%s is compared outside of the tables", id.Name)
				}
			}
			return true
		})
	}
}
