//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// shared are the phases and kinds that uWSGI has as well, by the process that runs them:
// events in two processes have no order.
var shared = []struct {
	where  string
	kinds  []hooks.Kind
	phases []hooks.Phase
}{
	{"emperor", []hooks.Kind{hooks.Do}, []hooks.Phase{hooks.EmperorStart}},
	{"emperor", []hooks.Kind{hooks.Do, hooks.Mount, hooks.Umount, hooks.Exec, hooks.Call, hooks.Call1, hooks.Call2, hooks.Call4}, []hooks.Phase{hooks.AsEmperor}},
	{"boot", []hooks.Kind{hooks.Do, hooks.Mount, hooks.Umount, hooks.Exec, hooks.Call, hooks.Call1, hooks.Call3}, []hooks.Phase{hooks.AsVassal}},
	{"boot", []hooks.Kind{hooks.Do, hooks.Mount, hooks.Umount, hooks.Exec, hooks.Call}, []hooks.Phase{hooks.Asap, hooks.PreJail, hooks.InJail, hooks.AsRoot}},
	{"boot", []hooks.Kind{hooks.Do, hooks.Exec, hooks.Call}, []hooks.Phase{hooks.AsUser, hooks.PreApp, hooks.PostApp}},
	{"worker", []hooks.Kind{hooks.Do}, []hooks.Phase{hooks.PostFork, hooks.Accepting, hooks.Accepting1, hooks.AcceptingOnce, hooks.Accepting1Once}},
	{"master", []hooks.Kind{hooks.Do}, []hooks.Phase{hooks.MasterStart, hooks.Touch, hooks.EmperorStop}},
	{"master", []hooks.Kind{hooks.Do, hooks.Exec, hooks.Call}, []hooks.Phase{hooks.AsUserAtexit}},
}

// TestSameOrderAsUwsgi records one life under a real uWSGI, Emperor and vassal, and under
// ours, from the same two files: the traces are equal.
func TestSameOrderAsUwsgi(t *testing.T) {
	needsUwsgi(t)
	for _, clone := range []string{"", "fs,uts,net,ipc"} {
		t.Run("clone "+clone, func(t *testing.T) {
			theirs := sharedLife(t, clone, func(w *world, file string) (stop func()) {
				stop, _ = w.uwsgi(t, "--ini", file)
				return stop
			})
			ours := sharedLife(t, clone, func(w *world, file string) (stop func()) {
				e := w.startOver("--ini", file)
				return func() { e.stop(syscall.SIGTERM) }
			})
			for where, trace := range theirs {
				if ours[where] != trace {
					t.Errorf("in the %s uWSGI runs\n%s\nand we\n%s", where, trace, ours[where])
				}
			}
		})
	}
}

// sharedLife is the start, a touch and the stop of a vassal, recorded by process.
func sharedLife(t *testing.T, clone string, start func(w *world, file string) (stop func())) map[string]string {
	t.Helper()
	w := newWorld(t)
	w.run("mkdir -p /run/mount") // mount(8) would
	w.before = w.snapshot()
	w.write("touched", "")
	options, library := w.sharedHooks()
	emperor := []string{"emperor = " + w.vassals, "dlopen = " + library, "emperor-freq = 1"}
	if clone != "" {
		emperor = append(emperor, "emperor-use-clone = "+clone)
	}
	w.write("emperor.ini", ini(append(emperor, options[hooks.Emperor]...)...))
	vassal := []string{"dlopen = " + library, "master = true", "processes = 1", "uid = 4001", "gid = 4001", "socket = " + w.path("s/app"), "command = sleep 1000000"}
	w.vassal("a.ini", append(vassal, options[hooks.Vassal]...)...)
	for _, s := range shared { // of root, and of the vassal's user
		w.write(s.where, "")
		if err := os.Chmod(w.path(s.where), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	stop := start(w, w.path("emperor.ini"))
	w.reaches(w.path("worker"), "accepting1-once hook")
	w.reaches(w.path("master"), "master-start hook")
	time.Sleep(1100 * time.Millisecond) // uWSGI's master checks touched files once a second, and first
	if err := os.Chtimes(w.path("touched"), time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.reaches(w.path("master"), "touch hook")
	if err := os.Remove(filepath.Join(w.vassals, "a.ini")); err != nil {
		t.Fatal(err)
	}
	w.reaches(w.path("master"), "as-user-atexit call")
	stop()
	traces := map[string]string{}
	for _, s := range shared {
		text, err := os.ReadFile(w.path(s.where))
		if err != nil {
			t.Fatal(err)
		}
		traces[s.where] = string(text)
	}
	return traces
}

// sharedHooks returns lines of both files that record every hook, and the library of the
// functions they call. The mounts at the end show that mount and umount run between hook and
// exec.
func (w *world) sharedHooks() (options map[hooks.Who][]string, library string) {
	w.t.Helper()
	options = map[hooks.Who][]string{}
	code := ""
	for _, s := range shared {
		for _, p := range s.phases {
			info, ok := p.Info()
			if !ok {
				w.t.Fatalf("there is no phase %s", p)
			}
			at := w.path("at-" + string(p))
			if err := os.Mkdir(at, 0o755); err != nil {
				w.t.Fatal(err)
			}
			for _, kind := range slices.Backward(s.kinds) { // the order of the file differs from the order of the kinds
				line, text := string(p)+" "+string(kind), ""
				mounted := fmt.Sprintf(`echo "%s on=$(awk '$5=="%s"{n=NF-1;on=$n}END{print on}' /proc/self/mountinfo)" >>%s`, line, at, w.path(s.where))
				option := hooks.Spec{Phase: p, Kind: kind}.Option()
				switch kind {
				case hooks.Do:
					text = "exec:" + mounted
					if p == hooks.Touch {
						text = w.path("touched") + " " + text
					}
				case hooks.Mount:
					text = "tmpfs second " + at
				case hooks.Umount:
					text = at
				case hooks.Exec:
					text = mounted + "; umount " + at + " 2>/dev/null; true"
				default:
					text = symbol(p, kind)
					code += function(p, kind, w.path(s.where))
				}
				options[info.Who] = append(options[info.Who], option+" = "+text)
				if kind == hooks.Do && slices.Contains(s.kinds, hooks.Mount) {
					options[info.Who] = append(options[info.Who], option+" = mount:tmpfs first "+at)
				}
			}
		}
	}
	return options, w.compile(code)
}
