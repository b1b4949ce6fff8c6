package webserver

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

const soleIntroduction = `# The built-in server alone

A vassal whose only program is the built-in server needs no master: ` + "`vassal-server`" + ` is its only process
([architecture](architecture.md#the-built-in-server-alone)). This page describes its reload. Its table is generated from
` + "`webserver/sole_states.go`" + ` by ` + "`make docs`" + `. A vassal with a master follows the tables of [workers.md](workers.md) instead.
`

const soleFacts = `
- **Choice.** The vassal has a pid namespace. Its file names up to eight sockets (paths, names or numeric addresses), answers of the built-in server and
  a ` + "`uid`" + `, and besides these at most a group, ` + "`cap`" + `, variables, ` + "`cwd`, `chdir`, `umask`" + `, limits, ` + "`no-new-privileges`, `ready-timeout` and `reload-mercy`" + `. Every other option means a master, for example ` + "`processes = 2`" + `,
  ` + "`command`, `cgi`, `attach-daemon`, `ready-probe`, `fallback-config`" + `, a hook inside the vassal, a terminal or an idle time. So do a socket on demand, a
  TCP socket kept from the generation before, a warning about the file, a template, and an include or a variable that can differ
  inside.
- **Reload.** The emperor sends the options of the new file. The process makes a second server with the new answers, binds the sockets that are new, accepts from all
  of them, and then stops accepting in the server before. That server answers the requests that it has, for at most ` + "`reload-mercy`" + `, and its idle
  connections close after two seconds. The reload is reported when the server before accepts no more: each later connection gets an answer of the new one. Files,
  certificates and passwords are read again. A SIGHUP does the same without new options.
- **Failure.** A server that cannot be made, or a socket that cannot be bound, changes nothing: the vassal continues as before, and the list shows the error.
- **Respawn.** The process cannot change everything that its boot has set. A reload with another user or group, ` + "`cap`, `cwd`, `chdir`, `umask`" + `, limit, ` + "`no-new-privileges`" + ` or option
  of the sockets (such as ` + "`listen` and `chmod-socket`" + `), with another value of a variable that Go programs read (` + "`TZ`, `ZONEINFO`, `GO*`, `SSL_CERT_*`" + `), or with an option that means a master, is a new process. So
  is an address that cannot be bound beside one that is still in use.
- **Death.** A server that dies ends its vassal, and the emperor starts it again after its pause ([states](states.md)). A master begins a new worker
  after the same time, or at once when the worker had lived for ten seconds.
`

func TestSoleDocumentIsCurrent(t *testing.T) {
	generated.Current(t, "../docs/server-alone.md", func(w io.Writer) error {
		text := soleIntroduction + soleFacts + "\n## A reload\n\nAn input that a state does not list changes nothing.\n\n| state | input | next state | effect |\n|---|---|---|---|\n"
		for _, r := range soleTable {
			text += fmt.Sprintf("| %s | %s | %s | %s |\n", r.state, r.input, r.next, r.effect)
		}
		_, err := io.WriteString(w, text)
		return err
	})
}

func TestNoTransitionOfASoleIsListedTwice(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range soleTable {
		if key := fmt.Sprint(r.state, " x ", r.input); seen[key] {
			t.Errorf("%s is in the table twice", key)
		} else {
			seen[key] = true
		}
	}
}

// A random walk over the table makes at most one server at a time, answers each request once, and closes with a stop.
func TestRandomWalkOfASole(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	reached := map[soleState]bool{}
	for range 2000 {
		state, current, waits := soleBooting, true, false
		for steps := 0; state != soleClosed; steps++ {
			reached[state] = true
			in := soleTable[random.IntN(len(soleTable))].input
			if steps > 30 {
				in = soleStop
			}
			next, do := stepSole(state, in)
			switch do {
			case doMake:
				if current {
					t.Fatalf("seed %d: %s x %s makes a second server", seed, state, in)
				}
				current = true
			case doMakeInstead, doAwait, doAbort, doFinishLast:
				if !current {
					t.Fatalf("seed %d: %s x %s is about no request", seed, state, in)
				}
			case doAccept, doFinish, doKeep:
				if !current {
					t.Fatalf("seed %d: %s x %s answers a second time", seed, state, in)
				}
				if current = false; waits { // the request that waits begins
					waits, current, next = false, true, soleMaking
				}
			case doQueue:
				waits = true
			case soleNothing:
				if next != state && in != soleStop {
					t.Fatalf("seed %d: %s x %s leaves without an effect", seed, state, in)
				}
			}
			if open := next == soleBooting || next == soleMaking || next == soleHandingOver; next != soleClosed && open != current {
				t.Fatalf("seed %d: %s x %s: %s, and a request in progress: %v", seed, state, in, next, current)
			}
			state = next
		}
		reached[state] = true
	}
	for _, r := range soleTable {
		if !reached[r.state] {
			t.Errorf("%s was never reached", r.state)
		}
	}
	for _, in := range []soleInput{soleAsked, soleOrdered, soleUnusable} {
		if next, do := stepSole(soleClosed, in); next != soleClosed || do != doRefuse {
			t.Errorf("a request after a stop: %s, %s", next, do)
		}
	}
}

// Only step assigns the state of the reload.
func TestStateOfASoleHasOneWriter(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	writers := map[string]int{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if a, ok := n.(*ast.AssignStmt); ok && a.Tok == token.ASSIGN {
					for _, left := range a.Lhs {
						if s, ok := left.(*ast.SelectorExpr); ok && s.Sel.Name == "state" {
							writers[f.Name.Name]++
						}
					}
				}
				return true
			})
		}
	}
	if len(writers) != 1 || writers["step"] != 1 {
		t.Errorf("assignments of a state: %v, want one in step", writers)
	}
}
