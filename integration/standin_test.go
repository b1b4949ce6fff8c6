//go:build linux

package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// givesUp runs a program that drops its privileges itself: the kernel clears its death signal
// then.
const givesUp = "privileged-binary-patch-arg = setpriv --reuid 4001 --regid 4001 --clear-groups "

// A program that drops its privileges itself ends with an emperor that is killed, also without
// cgroups: the vassal has stayed as process 1.
func TestProgramThatGivesUpItsPrivileges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withoutCgroups()
	w.vassal("a.ini", givesUp+"sh -c 'sleep 1000001 & exec sleep 1000000'")
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	eventually(t, "the vassal stands in", func() bool { return strings.Join(lines(fmt.Sprintf("/proc/%d/comm", pid)), "") == "vassal-init" })
	var program int
	eventually(t, "the program runs as its user", func() bool {
		for _, p := range children(pid) {
			if alive(p) && status(t, p, "Uid") == "4001 4001 4001 4001" {
				program = p
			}
		}
		return program != 0
	})
	e.signal(syscall.SIGKILL)
	e.wait()
	eventually(t, "no process is left", func() bool { return len(w.processes()) == 0 && !alive(program) })
	e.succeed()
}

// The end of a privileged program is the vassal's end, with its exit status.
func TestEndOfAPrivilegedProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tt := range map[string]struct{ script, want string }{
		"code.ini":   {"exit 7", "exit status 7"},
		"signal.ini": {"kill -TERM $$; sleep 100", "exit status 143"},
		"killed.ini": {"kill -KILL $$", "exit status 137"},
		// A process that it left behind does not keep the vassal alive.
		"leaver.ini": {"sleep 1000000 & exit 9", "exit status 9"},
	} {
		w.vassal(name, "privileged-binary-patch-arg = sh -c '"+tt.script+"'")
		defer func() {
			if got := w.list()[name].Error; !strings.HasPrefix(got+",", tt.want+",") {
				t.Errorf("%s: %q, want %q", name, got, tt.want)
			}
		}()
	}
	w.vassal("exile.ini", "privileged-binary-patch-arg = sh -c 'exit 26'")
	e := w.start(allNamespaces)
	for _, name := range []string{"code.ini", "signal.ini", "killed.ini", "leaver.ini"} {
		e.await(name, "-> backoff")
	}
	e.await("exile.ini", "-> idle")
}

// Signals for the vassal go to the program, orphans are reaped, a stop sends SIGTERM, and the
// program has the sockets.
func TestPrivilegedProgramHasWhatItHadAsProcessOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("sh.ini", `privileged-binary-patch-arg = sh -c 'trap "echo got HUP" HUP; trap "echo got TERM; exit 0" TERM; echo ready; `+
		`for i in 1 2 3 4 5; do (setsid sh -c "sleep 0.1 &") ; done; while :; do sleep 0.1; done'`)
	socket := w.path("s/http")
	w.vassal("app.ini", append(asApplication("privileged-binary-patch-arg", ""), "http-socket = "+socket, "env = OWN=yes",
		`ready-probe = exec:sh -c 'test "$OWN" = yes && test "$$" != 1'`)...)
	e := w.start(allNamespaces)
	pid := e.running("sh.ini")
	e.await("sh.ini", "ready")
	eventually(t, "the orphans are reaped", func() bool {
		zombies := 0
		for _, p := range children(pid) {
			if !alive(p) {
				zombies++
			}
		}
		return zombies == 0 && len(children(pid)) == 1
	})
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	e.await("sh.ini", "got HUP")
	first := e.running("app.ini")
	said := ask(t, socket)
	if said.PID == 1 || said.ListenPID != fmt.Sprint(said.PID) || said.ListenFDs != "1" || said.ListenNames != "http-socket" || len(said.Descriptors) != 4 {
		t.Errorf("the program says %+v", said)
	}
	held, err := descriptors(first)
	for number, what := range held {
		if strings.HasPrefix(what, "socket:") {
			t.Errorf("process 1 holds %s=%s", number, what)
		}
	}
	if err != nil {
		t.Error(err)
	}
	e.remove("sh.ini")
	e.await("sh.ini", "got TERM")
	e.gone("sh.ini")
	e.stop(syscall.SIGTERM)
}

// A program that must be process 1 is.
func TestPrivilegedProgramThatIsProcessOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("cp /bin/sleep " + w.path("init") + " && cp /bin/sleep " + w.path("systemd"))
	w.vassal("option.ini", "privileged-binary-patch-arg = sleep 1000000", "privileged-binary-patch-init = true")
	w.vassal("init.ini", "privileged-binary-patch-arg = "+w.path("init")+" 1000000")
	w.vassal("systemd.ini", "privileged-binary-patch-arg = "+w.path("systemd")+" 1000000")
	e := w.start(allNamespaces)
	for _, name := range []string{"option.ini", "init.ini", "systemd.ini"} {
		pid := e.running(name)
		eventually(t, name+" is its program", func() bool {
			command := strings.Join(lines(fmt.Sprintf("/proc/%d/cmdline", pid)), "")
			return strings.Contains(command, "\x001000000\x00") && len(children(pid)) == 0
		})
	}
	e.stop(syscall.SIGTERM)
}

// A privileged program that cannot be executed is an error with its line, and activates the
// fallback.
func TestPrivilegedProgramThatCannotRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("printf '#!/nowhere/at/all\\n' >" + w.path("broken") + " && chmod +x " + w.path("broken"))
	w.write("spare.ini", ini(serves))
	w.vassal("a.ini", "privileged-binary-patch = "+w.path("broken"), "fallback-config = "+w.path("spare.ini"))
	e := w.start(allNamespaces)
	e.await("a.ini", "a.ini:2: privileged-binary-patch: cannot run")
	e.running("a.ini")
	e.await("a.ini", "runs on its fallback configuration")
	e.stop(syscall.SIGTERM)
}

// Missing guarantees without cgroups are reported, and only then.
func TestWarningsOfWhatOutlivesAKilledEmperor(t *testing.T) {
	t.Parallel()
	first := []string{"privileged-binary-patch-arg = sleep 1000000", "privileged-binary-patch-init = true"}
	for _, cgroups := range []bool{true, false} {
		t.Run(fmt.Sprintf("cgroups %v", cgroups), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if !cgroups {
				w.withoutCgroups()
			} else if w.cgroup == "" {
				t.Skip("there is no cgroup v2")
			}
			w.vassal("first.ini", first...)
			w.vassal("child.ini", first[0])
			for args, want := range map[string][3]int{"--emperor-freq=30": {1, 1, 1}, allNamespaces: {0, 1, 0}} {
				if cgroups {
					want = [3]int{}
				}
				e := w.start(args)
				e.running("first.ini")
				e.running("child.ini")
				e.stop(syscall.SIGTERM)
				for i, name := range []string{"", "first.ini", "child.ini"} {
					if n := e.count(name, "outlives a killed emperor"); n != want[i] {
						t.Errorf("%s: %q warns %d times, want %d:\n%s", args, name, n, want[i], e.about(name))
					}
				}
			}
		})
	}
}
