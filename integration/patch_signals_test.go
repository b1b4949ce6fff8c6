//go:build linux

package integration

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// tellsSignals is a program that prints the signal that ends it, and ignores TERM.
const tellsSignals = `import os, signal, sys, time
def leave(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, leave)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True: time.sleep(60)
`

// A program that takes the vassal's place gets its own stop-signal, wherever it stands, and
// its own mercy.
func TestStopSignalOfAPatch(t *testing.T) {
	t.Parallel()
	for option, clones := range map[string][]string{
		"unprivileged-binary-patch-arg": {allNamespaces, "--emperor-use-clone=uts"},
		"privileged-binary-patch-arg":   {allNamespaces, "--emperor-use-clone=uts"},
	} {
		for _, clone := range clones {
			t.Run(option+clone, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.write(w.path("p.py"), tellsSignals)
				w.vassal("int.ini", "stop-signal = INT", option+" = python3 "+w.path("p.py"))
				w.vassal("term.ini", "reload-mercy = 1", option+" = python3 "+w.path("p.py"))
				e := w.start(clone, "--reload-mercy", "60")
				for _, name := range []string{"int.ini", "term.ini"} {
					e.running(name)
					e.await(name, "up")
				}
				begun := time.Now()
				w.remove("int.ini")
				e.await("int.ini", "got SIGINT")
				e.gone("int.ini")
				w.remove("term.ini")
				e.await("term.ini", "did not end in time")
				e.gone("term.ini")
				if took := time.Since(begun); took > patience {
					t.Errorf("it took %v", took)
				}
				e.stop(syscall.SIGTERM)
			})
		}
	}
}

// READY=1 and the probe must both come for a program in the vassal's place, which is asked
// about by its pid.
func TestBothReadinessesOfAPatch(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"notify", "probe"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write(w.path("both.py"), `import os, socket, time
print("up", flush=True)
while not os.path.exists("`+w.path("notify")+`"): time.sleep(0.01)
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
time.sleep(1000000)
`)
			w.vassal("a.ini", "uid = 4001", "gid = 4001", "notify-ready = true", "unprivileged-binary-patch-arg = python3 "+w.path("both.py"),
				`ready-probe = exec:sh -c 'test "$MAINPID" = 1 && test -e `+w.path("probe")+`'`)
			e := w.start(allNamespaces)
			e.await("a.ini", "up")
			w.write(w.path(first), "")
			time.Sleep(500 * time.Millisecond)
			if n := e.count("a.ini", "-> running"); n != 0 {
				t.Error("it runs before it is ready")
			}
			for _, second := range []string{"notify", "probe"} {
				w.write(w.path(second), "")
			}
			e.running("a.ini")
			e.stop(syscall.SIGTERM)
		})
	}
}

// The same for workers; one in the new crew is asked about by its pid.
func TestBothReadinessesOfAWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(w.path("both.py"), `import os, socket, sys, time
flag = sys.argv[1]
while not os.path.exists(flag): time.sleep(0.01)
open(flag + ".new", "w").write(str(os.getpid()))
os.rename(flag + ".new", flag + ".pid")
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", chr(0)))
time.sleep(1000000)
`)
	w.run("chmod 777 " + w.base)
	file := func(version string) []string {
		return []string{
			"uid = 4001", "gid = 4001", "notify-ready = true", "http-socket = " + w.path("s/a"), "command = /usr/bin/python3 " + w.path("both.py") + " " + w.path(version),
			fmt.Sprintf(`ready-probe = exec:sh -c 'test "$MAINPID" = "$(cat %s.pid)" && test -e %s.probe'`, w.path(version), w.path(version)),
		}
	}
	w.vassal("a.ini", file("one")...)
	e := w.start(allNamespaces)
	w.write(w.path("one"), "")
	eventually(t, "it says READY=1", func() bool { return number(w.path("one.pid")) > 0 })
	time.Sleep(300 * time.Millisecond)
	if n := e.count("a.ini", "-> running"); n != 0 {
		t.Error("it runs before the probe")
	}
	w.write(w.path("one.probe"), "")
	pid := e.running("a.ini")
	w.write(w.path("two.probe"), "")
	w.vassal("a.ini", file("two")...)
	e.await("a.ini", "running -> reloading")
	time.Sleep(300 * time.Millisecond)
	if n := e.count("a.ini", "reloading -> running"); n != 0 {
		t.Error("it has reloaded before READY=1")
	}
	w.write(w.path("two"), "")
	e.await("a.ini", "reloading -> running")
	e.undisturbed("a.ini", pid)
	e.stop(syscall.SIGTERM)
}
