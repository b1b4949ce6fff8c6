//go:build linux

package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// failing returns an option with a hook of a phase that leaves a mount where it can, and
// fails.
func failing(p hooks.PhaseInfo, script, subject string) (option, text, shown string) {
	switch {
	case slices.Contains(p.Kinds, hooks.Exec):
		return "exec-" + string(p.Phase), "exit 9", "(exec: exit 9): exit status 9"
	case slices.Contains(p.Kinds, hooks.Program):
		return string(p.Phase), script, "(program: " + script + "): exit status 9"
	}
	text = subject + " exec:exit 9"
	return "hook-" + string(p.Phase), text, "(hook: " + text + "): exit status 9"
}

// The failure of a vassal's own hook ends the step that its phase documents, and affects no
// other vassal.
func TestFailureOfEachPhaseOfAVassal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("touched", "")
	script := w.path("fails.sh")
	w.script(script, "exit 9")
	w.vassal("healthy.ini", serves)
	var fatal, mild []hooks.PhaseInfo
	for _, p := range hooks.Phases() {
		if p.Who != hooks.Vassal {
			continue
		}
		option, text, _ := failing(p, script, w.path("touched"))
		w.vassal(string(p.Phase)+".ini", "jailed = true", "exec-asap = mount -t tmpfs left /mnt", option+" = "+text, option+" = "+text, serves)
		if p.Fatal {
			fatal = append(fatal, p)
		} else {
			mild = append(mild, p)
		}
	}
	e := w.start(allNamespaces, "--emperor-throttle", "60000", "--emperor-graceful-shutdown")
	healthy := e.running("healthy.ini")
	for _, p := range fatal {
		name := string(p.Phase) + ".ini"
		_, _, shown := failing(p, script, w.path("touched"))
		index := 1
		if p.Phase == hooks.Asap {
			index = 2 // behind the mount
		}
		e.await(name, fmt.Sprintf("hook %s #%d %s", p.Phase, index, shown))
		e.await(name, "-> backoff")
		accepting := strings.HasPrefix(name, "accepting") // by then it runs
		if !accepting && e.count(name, "-> running") > 0 {
			t.Errorf("%s runs", name)
		}
	}
	for _, p := range mild {
		e.running(string(p.Phase) + ".ini")
	}
	if err := os.Chtimes(w.path("touched"), time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	e.await("touch.ini", "exit status 9")
	w.succeed("reload", "emperor-reload.ini", "--wait")
	for _, name := range []string{"master-start.ini", "emperor-reload.ini"} {
		e.await(name, "exit status 9")
		e.await(name, "exit status 9") // the second one ran all the same
	}
	for _, name := range []string{"emperor-stop.ini", "as-user-atexit.ini"} {
		e.remove(name)
		e.await(name, "exit status 9")
		e.await(name, "exit status 9")
		e.gone(name)
	}
	if !alive(healthy) || e.count("healthy.ini", "-> running") != 1 {
		t.Errorf("the healthy vassal was harmed:\n%s", e.about("healthy.ini"))
	}
	e.stop(syscall.SIGTERM)
}

// The same for the emperor's phases.
func TestFailureOfEachPhaseOfTheEmperor(t *testing.T) {
	t.Parallel()
	for _, p := range hooks.Phases() {
		if p.Who != hooks.Emperor {
			continue
		}
		t.Run(string(p.Phase), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			script := w.path("fails.sh")
			w.script(script, "exit 9")
			w.vassal("a.ini", serves)
			option, text, shown := failing(p, script, "net")
			args := []string{"--emperor-throttle", "60000", "--" + option + "=" + text}
			if p.Fatal {
				args = append(args, "--"+option+"=exec-never-reached")
			}
			switch p.Phase {
			case hooks.AsOnDemandVassal, hooks.AsOnConfigVassal:
				args = append(args, "--emperor-on-demand-directory", w.base)
				w.vassal("a.ini", serves)
			case hooks.OnVassalFailed:
				w.vassal("a.ini", "exec-as-root = exit 1", serves)
			}
			e := w.start(append(args, allNamespaces)...)
			failed := "hook " + string(p.Phase) + " #1 " + shown
			switch {
			case p.Phase == hooks.EmperorStart:
				if code := e.wait(); code != 1 {
					t.Errorf("the emperor ended with %d, want 1", code)
				}
				e.await("", failed)
				return
			case p.Fatal:
				e.await("a.ini", failed)
				e.await("a.ini", "-> backoff")
				if e.count("a.ini", "exec-never-reached") > 0 || e.count("a.ini", "-> running") > 0 {
					t.Errorf("it went on:\n%s", e.about("a.ini"))
				}
			case p.Phase == hooks.AsOnConfigVassal:
				e.await("a.ini", "on demand")
				w.vassal("a.ini", serves, "env = A=b")
				e.await("a.ini", "exit status 9")
			case p.Phase == hooks.AsOnDemandVassal, p.Phase == hooks.OnVassalFailed:
				e.await("a.ini", "exit status 9")
			case p.Phase == hooks.VassalsStop, p.Phase == hooks.AsEmperorAfterVassal:
				e.running("a.ini")
				e.remove("a.ini")
				e.await("a.ini", "exit status 9")
				e.gone("a.ini")
			default:
				e.running("a.ini")
				e.await("a.ini", "exit status 9")
			}
			e.stop(syscall.SIGTERM)
		})
	}
}

// A prefix reverses the rule of a phase.
func TestFailureByPrefix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("ignored.ini", "exec-as-root = -exit 9", "exec-pre-app = -exit 9", serves)
	e := w.start(allNamespaces, "--emperor-throttle", "60000", "--exec-as-emperor", "+test $UWSGI_VASSAL_NAME != fatal.ini")
	e.running("ignored.ini")
	w.vassal("fatal.ini", serves)
	e.await("fatal.ini", "hook as-emperor #1 (exec: +test $UWSGI_VASSAL_NAME != fatal.ini): exit status 1")
	e.await("fatal.ini", "-> backoff")
	e.stop(syscall.SIGTERM)
}

// Two hundred boots fail after mounts, some in the middle of a phase, and the host has the
// same mounts as before, while the emperor still runs.
func TestTwoHundredFailingBoots(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.snapshot()
	const vassals, boots = 10, 20
	phases := []string{"asap", "pre-jail", "in-jail", "as-root", "as-root"}
	for i := range vassals {
		w.vassal(fmt.Sprintf("%d.ini", i), "exec-asap = mount -t tmpfs left-behind /mnt", "mount-pre-jail = tmpfs left-behind /srv",
			"hook-in-jail = exec:mount --bind /srv /opt", "umount-as-root = /nowhere/at/all", "exec-"+phases[i%len(phases)]+" = exit 1", serves)
	}
	e := w.start(allNamespaces, "--emperor-throttle", "1", "--emperor-max-throttle", "5", "--max-restarts", fmt.Sprint(boots-1),
		"--mount-as-vassal", "tmpfs left-behind /media")
	for i := range vassals {
		e.await(fmt.Sprintf("%d.ini", i), "settled -> idle")
	}
	launched := 0
	for i := range vassals {
		launched += e.count(fmt.Sprintf("%d.ini", i), "launching -> starting")
	}
	if launched < vassals*boots {
		t.Errorf("there were %d boots, want %d; the log:\n%s", launched, vassals*boots, e.tail())
	}
	after := w.snapshot()
	for _, kind := range []string{"mounts", "interfaces"} {
		if !slices.Equal(before[kind], after[kind]) {
			t.Errorf("%s were\n%s\nand are\n%s", kind, strings.Join(before[kind], "\n"), strings.Join(after[kind], "\n"))
		}
	}
	e.stop(syscall.SIGTERM)
}
