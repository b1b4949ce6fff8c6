//go:build linux

package integration

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The operator sets the pauses, by our option names or uWSGI's.
func TestBackoffOfTheOperator(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for args, want := range map[string][]time.Duration{
		"--emperor-backoff 100ms --emperor-backoff-max 200ms":              {100 * ms, 200 * ms, 200 * ms, 200 * ms},
		"--emperor-throttle 100 --emperor-max-throttle 200":                {100 * ms, 200 * ms, 200 * ms, 200 * ms},
		"--emperor-throttle 100 --emperor-no-blacklist":                    {100 * ms, 100 * ms, 100 * ms, 100 * ms},
		"--emperor-no-blacklist --emperor-backoff 50ms":                    {50 * ms, 50 * ms, 50 * ms, 50 * ms},
		"--emperor-throttle 100 --emperor-backoff-reset 1 --no-such-thing": nil,
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", "exec-as-root = false", serves)
			e := w.start(append(strings.Fields(args), allNamespaces, "--emperor-backoff-jitter", "0")...)
			if want == nil {
				if code := e.wait(); code != 2 {
					t.Errorf("exit code %d", code)
				}
				return
			}
			for range len(want) + 1 {
				e.await("a.ini", "-> backoff")
			}
			if got := e.waits("a.ini"); len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
				t.Errorf("pauses of %v, want %v", got, want)
			}
			e.stop(syscall.SIGTERM)
		})
	}
}

// A vassal that cannot be executed, dies or gives up counts as a failure. The operator, a
// changed file and a touched file end the pause.
func TestFailuresAndTheirPardon(t *testing.T) {
	t.Parallel()
	for name, file := range map[string][]string{
		"no such program":        {"command = /nowhere/at/all"},
		"not to be executed":     {"command = /etc/passwd"},
		"a directory":            {"command = /etc"},
		"a patch that is absent": {"unprivileged-binary-patch-arg = /nowhere/at/all"},
		"a patch without rights": {"unprivileged-binary-patch-arg = /etc/passwd"},
		"a death at once":        {"unprivileged-binary-patch-arg = /bin/false"},
		"a hook that fails":      {"exec-as-root = exit 3", serves},
		"nobody of that name":    {"uid = nobodyatall", serves},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", file...)
			w.vassal("neighbour.ini", serves)
			e := w.start(allNamespaces, "--emperor-throttle", "600000")
			neighbour := e.running("neighbour.ini")
			e.await("a.ini", "-> backoff")
			again := func(what string, do func()) {
				t.Helper()
				do()
				e.await("a.ini", "-> backoff") // launched, and failed again
				if t.Failed() {
					t.Fatal(what)
				}
			}
			again("start", func() { w.succeed("start", "a.ini") })
			again("reset", func() { w.succeed("reset", "a.ini") })
			again("a touch", func() { w.run("touch " + w.path("v/a.ini")) })
			again("a change", func() { w.vassal("a.ini", append(file, "env = A=b")...) })
			if n := e.count("a.ini", "launching -> starting"); n != 5 {
				t.Errorf("it was launched %d times, want 5:\n%s", n, e.about("a.ini"))
			}
			if s := w.status("a.ini"); s.Failures != 1 {
				t.Errorf("%d failures are not forgiven", s.Failures-1)
			}
			w.vassal("a.ini", serves)
			e.running("a.ini")
			if !alive(neighbour) || e.count("neighbour.ini", "-> ") != 2 {
				t.Errorf("the neighbour was disturbed:\n%s", e.about("neighbour.ini"))
			}
			e.stop(syscall.SIGTERM)
		})
	}
}

// A vassal that exits with code 26 rests until its file changes, and so does one that fails
// too often. The operator can start both.
func TestVassalsThatRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, file := range map[string][]string{
		"exile.ini": {"unprivileged-binary-patch-arg = /bin/sh -c 'exit 26'"},
		"spent.ini": {"exec-as-root = false", serves},
	} {
		w.vassal(name, file...)
	}
	e := w.start(allNamespaces, "--max-restarts", "2", "--emperor-throttle", "10", "--emperor-backoff-jitter", "0")
	rests := func(name, why string, launches int) {
		t.Helper()
		e.await(name, "-> idle")
		eventually(t, name+" rests", func() bool { s := w.status(name); return s.State == "idle" && s.Why == why })
		if s := w.status(name); s.Launches != launches {
			t.Errorf("%s was launched %d times, want %d", name, s.Launches, launches)
		}
	}
	rests("exile.ini", "it asked to be left alone until its file changes", 1)
	rests("spent.ini", "it failed too often", 3)
	e.barrier() // other vassals start and stop
	for _, name := range []string{"exile.ini", "spent.ini"} {
		w.succeed("start", name)
	}
	rests("exile.ini", "it asked to be left alone until its file changes", 2)
	rests("spent.ini", "it failed too often", 6)
	for _, name := range []string{"exile.ini", "spent.ini"} {
		w.vassal(name, serves)
		e.running(name)
	}
	e.stop(syscall.SIGTERM)
}
