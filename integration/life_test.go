//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// waits returns the pauses that the emperor made before launching the vassal again.
func (e *emperor) waits(vassal string) (list []time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.records {
		var pause struct{ Wait time.Duration }
		if r.Vassal == vassal && json.Unmarshal([]byte(r.raw), &pause) == nil && pause.Wait > 0 {
			list = append(list, pause.Wait)
		}
	}
	return list
}

func TestVassalThatDiesIsRespawnedWithBackoff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "exec-as-root = exit 9", serves)
	w.vassal("neighbour.ini", serves)
	e := w.start(allNamespaces, "--emperor-backoff-jitter", "0")
	neighbour := e.running("neighbour.ini")
	for range 4 {
		e.await("a.ini", "-> backoff")
	}
	want := []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}
	if got := e.waits("a.ini"); len(got) < 3 || !slices.Equal(got[:3], want) {
		t.Errorf("pauses of %v, want %v", got, want)
	}
	e.vassal("a.ini", serves) // a repaired file does not wait
	begin := time.Now()
	e.running("a.ini")
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the repaired vassal waited %v", took)
	}
	if !alive(neighbour) {
		t.Error("the neighbour died")
	}
}

func TestBackoffIsForgottenAfterAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--emperor-backoff", "100ms", "--emperor-backoff-reset", "400ms", "--emperor-backoff-jitter", "0")
	kill := func(after time.Duration) {
		pid := e.running("a.ini")
		time.Sleep(after)
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	kill(0)
	kill(0)
	kill(800 * time.Millisecond)
	e.running("a.ini")
	want := []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 100 * time.Millisecond}
	if got := e.waits("a.ini"); !slices.Equal(got, want) {
		t.Errorf("pauses of %v, want %v", got, want)
	}
}

// The next generation starts in namespaces of its own, after the previous one is completely
// gone.
func TestKilledVassal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "wait-for-interface = inside0", "command = sh -c 'setsid sleep 1000000 & exec sleep 1000000'")
	// A name that is still in use would be an error.
	e := w.start(allNamespaces, "--emperor-change-pause", "0", "--emperor-backoff", "1ms", "--exec-as-emperor", "ip link add outside0 type veth peer name inside0 netns $UWSGI_VASSAL_PID")
	first := e.running("a.ini")
	netns := namespace(t, first, "net")
	processes := w.processes()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := e.running("a.ini")
	if namespace(t, second, "net") == netns {
		t.Error("the second generation is in the namespace of the first")
	}
	for _, p := range processes {
		if !strings.Contains(p, "emperor") && slices.Contains(w.processes(), p) {
			t.Errorf("of the first generation there still is %s", p)
		}
	}
	for i := range 10 {
		e.vassal("a.ini", "wait-for-interface = inside0", fmt.Sprintf("exec-as-root = echo change %d", i), serves)
		e.await("a.ini", fmt.Sprintf("change %d", i))
		e.running("a.ini")
	}
	if n := e.count("a.ini", "hook failed"); n > 0 {
		t.Errorf("the link of the last generation was in the way %d times", n)
	}
}

func TestSignalsStopEverything(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		for _, clone := range []string{allNamespaces, "--emperor-freq=30"} { // or none
			t.Run(s.String()+" "+clone[2:], func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				for i := range 5 {
					w.vassal(fmt.Sprintf("v%d.ini", i), "http-socket = "+w.path(fmt.Sprintf("s/%d", i)), "static-map = /=/srv")
				}
				e := w.start(clone)
				for i := range 5 {
					e.running(fmt.Sprintf("v%d.ini", i))
				}
				e.stop(s)
				for i := range 5 {
					if n := e.count(fmt.Sprintf("v%d.ini", i), "-> killing"); n > 0 {
						t.Errorf("v%d.ini did not end when it was asked to", i)
					}
				}
				if left, _ := os.ReadDir(w.path("s")); len(left) > 0 {
					t.Errorf("left the sockets %v", left)
				}
			})
		}
	}
}

// stubborn are vassals that ignore the signal to stop.
func stubborn(w *world) map[string][]string {
	deaf := "env = STORY_STUBBORN=1"
	return map[string][]string{
		"worker":          append(asApplication("command", w.path("s/app")), deaf),
		"patched program": append(asApplication("unprivileged-binary-patch-arg", w.path("s/app")), deaf),
		"shell":           {`command = sh -c "trap '' TERM INT HUP; while :; do sleep 1; done"`},
	}
}

func TestVassalThatIgnoresTERM(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"worker", "patched program", "shell"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", stubborn(w)[name]...)
			w.vassal("b.ini", serves)
			e := w.start(allNamespaces, "--reload-mercy", "1")
			pid := e.running("a.ini")
			neighbour := e.running("b.ini")
			time.Sleep(200 * time.Millisecond) // until it ignores the signal
			begin := time.Now()
			e.remove("a.ini")
			e.await("a.ini", "-> killing")
			e.gone("a.ini")
			if took := time.Since(begin); took < 900*time.Millisecond {
				t.Errorf("it was killed after %v, want a second", took)
			}
			if alive(pid) || !alive(neighbour) {
				t.Error("the wrong one is dead")
			}
			e.vassal("a.ini", stubborn(w)[name]...)
			e.running("a.ini")
			time.Sleep(200 * time.Millisecond)
			e.stop(syscall.SIGTERM)
		})
	}
}

// A second signal does not wait for the end of the mercy, which is longer than the story.
func TestSecondSignalHurries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", stubborn(w)["shell"]...)
	e := w.start(allNamespaces)
	e.running("a.ini")
	time.Sleep(200 * time.Millisecond)
	e.signal(syscall.SIGTERM)
	e.await("a.ini", "-> stopping")
	time.Sleep(300 * time.Millisecond) // at once it would count as the same signal
	e.stop(syscall.SIGTERM)
}

func TestStoppedInTheMiddleOfALaunch(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args  []string
		until string // printed before the signal
		file  []string
	}{
		"in a hook before the clone": {[]string{"--exec-as-emperor-before-vassal", "echo now; sleep 1000"}, "now", []string{serves}},
		"in a hook with a link":      {[]string{"--exec-as-emperor", "ip link add out0 type veth peer name in0 netns $UWSGI_VASSAL_PID; echo now; sleep 1000"}, "now", []string{serves}},
		"in a hook, released early":  {[]string{"--emperor-release", "early", "--exec-as-emperor", "echo now; sleep 1000"}, "now", []string{serves}},
		"in an as-vassal hook":       {[]string{"--exec-as-vassal", "echo now; sleep 1000"}, "now", []string{serves}},
		"waiting for an interface":   {nil, "-> starting", []string{"wait-for-interface = never0", serves}},
		"in an as-root hook":         {nil, "now", []string{"exec-as-root = echo now; sleep 1000", serves}},
		"in backoff":                 {nil, "-> backoff", []string{"exec-as-root = false", serves}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", tt.file...)
			e := w.start(append(tt.args, allNamespaces)...)
			e.await("a.ini", tt.until)
			e.stop(syscall.SIGTERM)
		})
	}
}

// The emperor is stopped at different moments while ten vassals start.
func TestStoppedWhileManyStart(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{5, 15, 30, 60} {
		w := newWorld(t)
		for i := range 10 {
			w.vassal(fmt.Sprintf("v%d.ini", i), serves)
		}
		e := w.start(allNamespaces, "--exec-as-emperor", "ip link add h$UWSGI_VASSAL_PID type veth peer name in0 netns $UWSGI_VASSAL_PID")
		e.await("", "is watching")
		time.Sleep(after * time.Millisecond)
		e.stop(syscall.SIGTERM)
	}
}

// kill -9 gives the emperor no chance to clean up: its vassals clean up themselves.
func TestKilledEmperorLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"with namespaces":    {allNamespaces},
		"without namespaces": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("served.ini", "uid = 4001", "gid = 4001", "http-socket = "+w.path("s/a"), "static-map = /=/srv")
			w.vassal("stubborn.ini", stubborn(w)["worker"]...)
			w.vassal("patched.ini", asApplication("unprivileged-binary-patch-arg", w.path("s/app"))...)
			w.vassal("parked.ini", serves)
			w.vassal("waiting.ini", "wait-for-interface = never0", serves)
			link := "; ip link add h$UWSGI_VASSAL_PID type veth peer name in0 netns $UWSGI_VASSAL_PID"
			if args == nil {
				link = ""
			}
			e := w.start(append(args, "--exec-as-emperor", "test $UWSGI_VASSAL_CONFIG != parked.ini || exec sleep 3"+link)...)
			for _, name := range []string{"served.ini", "stubborn.ini", "patched.ini"} {
				e.running(name)
			}
			e.await("waiting.ini", "-> starting")
			e.signal(syscall.SIGKILL)
			if code := e.wait(); code != -1 {
				t.Errorf("exit code %d", code)
			}
			eventually(t, "no process is left", func() bool { return len(w.processes()) == 0 })
			// Cgroups and sockets outlive their processes; the next emperor removes them.
			for _, name := range []string{"served.ini", "stubborn.ini", "patched.ini", "parked.ini", "waiting.ini"} {
				w.remove(name)
			}
			e.succeed()
		})
	}
}

// succeed starts a next emperor, which cleans up after a killed one.
func (e *emperor) succeed() {
	e.t.Helper()
	eventually(e.t, "no process is left", func() bool { return len(e.processes()) == 0 })
	next := e.start()
	next.await("", "is watching")
	next.list() // it answers when it has cleaned up
	next.stop(syscall.SIGTERM)
}
