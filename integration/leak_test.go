//go:build linux

package integration

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// An emperor with 5,000 open descriptors passes none of them, and no directory of its own, to
// another process.
func TestDescriptorsOfOthersStayOutside(t *testing.T) {
	t.Parallel()
	for _, clone := range []string{allNamespaces, "--emperor-freq=30"} { // or none
		t.Run(clone[2:], func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			list := "for f in /proc/self/fd/*; do echo WHO has $f=$(readlink $f); done; echo WHO is in $(pwd), that is all"
			hook := func(who string) string { return strings.ReplaceAll(list, "WHO", who) }
			socket := w.path("s/app")
			w.vassal("a.ini", append(asApplication("command", ""), "http-socket = "+socket, "exec-as-root = "+hook("as-root"))...)
			w.vassal("patched.ini", asApplication("unprivileged-binary-patch-arg", w.path("s/patched"))...)
			cmd := w.inside(storyProgram, program("emperor"), "--emperor-log-format", "json", clone,
				"--exec-as-emperor", hook("as-emperor"), "--exec-as-vassal", hook("as-vassal"), w.vassals)
			cmd.Env = append(cmd.Env, roleEnv+"=crowd")
			e := w.launch(cmd)
			pid := e.running("a.ini")
			if held, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", e.pid())); len(held) < 5000 {
				t.Fatalf("the emperor holds %d descriptors, that is no story", len(held))
			}
			for _, who := range []string{"as-emperor", "as-vassal", "as-root"} {
				e.await("a.ini", "that is all")
				e.await("a.ini", who+" is in "+w.vassals)
				// The loop's readlink opens no other file first: 0, 1, 2, and the listing's
				// own 3.
				if n := e.count("a.ini", who+" has"); n < 3 || n > 4 {
					t.Errorf("%s has %d descriptors:\n%s", who, n, e.tail())
				}
				if e.count("a.ini", who+" has /proc/self/fd/0=/dev/null") != 1 {
					t.Errorf("%s has another stdin than /dev/null", who)
				}
			}
			said := ask(t, socket)
			if got := slices.Sorted(maps.Keys(said.Descriptors)); !slices.Equal(got, []string{"0", "1", "2", "3"}) || said.Dir != w.vassals {
				t.Errorf("the application has %v in %s", said.Descriptors, said.Dir)
			}
			e.running("patched.ini")
			listens(t, w.path("s/patched"))
			said = ask(t, w.path("s/patched"))
			if got := slices.Sorted(maps.Keys(said.Descriptors)); !slices.Equal(got, []string{"0", "1", "2"}) {
				t.Errorf("the patched program has %v", said.Descriptors)
			}
			held, err := descriptors(pid)
			if err != nil {
				t.Fatal(err)
			}
			for number, what := range held {
				if what == "/dev/zero" || len(held) > 12 {
					t.Errorf("the vassal has %s=%s, of %d", number, what, len(held))
				}
			}
		})
	}
}

// usage is the resources of a running emperor.
type usage struct{ descriptors, links, processes, cgroups, mounts int }

func (e *emperor) usage() usage {
	held, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", e.pid()))
	if err != nil {
		e.t.Fatal(err)
	}
	s := e.snapshot()
	return usage{len(held), len(s["interfaces"]), len(s["processes"]), len(s["cgroups"]), len(s["mounts"])}
}

// goroutines ends the emperor by the signal on which Go prints every goroutine, and counts
// them by their creator, without goroutines of Go's runtime.
func (e *emperor) goroutines() map[string]int {
	e.t.Helper()
	e.signal(syscall.SIGABRT)
	e.wait()
	e.succeed() // it could not clean up any more
	found := map[string]int{}
	header := regexp.MustCompile(`^created by (\S+)`)
	for _, r := range e.records {
		if m := header.FindStringSubmatch(r.raw); m != nil && !strings.HasPrefix(m[1], "runtime.") {
			found[m[1]]++
		}
	}
	// The log's writer lives while lines wait, such as the ones before the dump.
	if writer := "github.com/emperor-go/emperor/internal/termlog.(*Queue).start"; found[writer] == 1 {
		delete(found, writer)
	}
	return found
}

// Three times fifty vassals with a link each; afterwards the usage is as after the first time.
func TestFiftyVassalsThreeTimes(t *testing.T) {
	t.Parallel()
	const vassals, rounds = 50, 3
	idle := func(tell func(*emperor)) map[string]int {
		w := newWorld(t)
		e := w.start(allNamespaces, "--exec-as-emperor",
			"ip link del $UWSGI_VASSAL_CONFIG 2>/dev/null; ip link add $UWSGI_VASSAL_CONFIG type veth peer name in0 netns $UWSGI_VASSAL_PID")
		e.barrier() // everything that is made once
		tell(e)
		return e.goroutines()
	}
	want := idle(func(*emperor) {})
	got := idle(func(e *emperor) {
		var before usage
		eventually(t, "the link of the barrier is gone", func() bool { before = e.usage(); return before.links == len(e.before["interfaces"]) })
		for round := range rounds {
			for i := range vassals {
				e.vassal(fmt.Sprintf("v%d.ini", i), "wait-for-interface = in0", "exec-as-root = ip link set in0 up",
					"uid = 4001", "gid = 4001", "http-socket = "+e.path(fmt.Sprintf("s/%d", i)), serves)
			}
			for i := range vassals {
				e.running(fmt.Sprintf("v%d.ini", i))
			}
			if u := e.usage(); u.links != before.links+vassals || u.processes < before.processes+2*vassals {
				t.Errorf("round %d: with %d vassals: %+v, without: %+v", round, vassals, u, before)
			}
			for i := range vassals {
				e.remove(fmt.Sprintf("v%d.ini", i))
			}
			for i := range vassals {
				e.gone(fmt.Sprintf("v%d.ini", i))
			}
			var after usage
			eventually(t, "everything is as it was", func() bool { after = e.usage(); return after == before })
		}
		if left, _ := filepath.Glob(e.path("s/*")); len(left) > 0 {
			t.Errorf("left the sockets %v", left)
		}
		if n := e.count("v0.ini", "-> running"); n != rounds {
			t.Errorf("it ran %d times", n)
		}
	})
	if len(want) == 0 || !maps.Equal(got, want) {
		t.Errorf("goroutines %v, before %v", got, want)
	}
}
