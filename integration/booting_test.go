//go:build linux

package integration

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hangs returns ways in which a boot hangs, with the wait and the state that list shows.
func hangs(w *world) map[string]struct {
	options []string
	waits   string
} {
	fifo := w.path("fifo")
	w.run("mkfifo " + fifo)
	return map[string]struct {
		options []string
		waits   string
	}{
		"a file":       {[]string{"ini = " + fifo}, `"` + fifo + `" to be read`},
		"a command":    {[]string{"ini = exec://sleep 300; true"}, `"exec://sleep 300; true" to be read`},
		"an interface": {[]string{"wait-for-interface = eth7", "wait-for-interface-timeout = 300"}, "interface eth7"},
		"another file": {[]string{"wait-for-file = /none", "wait-for-file-timeout = 300"}, "wait-for-file /none"},
		"a socket":     {[]string{"wait-for-socket = 127.0.0.1:1", "wait-for-socket-timeout = 300"}, "wait-for-socket 127.0.0.1:1"},
		"a worker":     {[]string{"ready-probe = tcp:127.0.0.1:1", "ready-timeout = 300"}, "the workers"},
	}
}

// waitsFor waits until list shows a wait for a vassal, and for no other vassal.
func (e *emperor) waitsFor(name, waits string) {
	e.t.Helper()
	var out string
	eventually(e.t, name+" waits for "+waits, func() bool {
		out, _ = e.command("list")
		return strings.Contains(out, "waits for "+waits+"\n")
	})
}

// soon fails when do takes so long that only the end of the mercy can explain it.
func (e *emperor) soon(what string, do func()) {
	e.t.Helper()
	begin := time.Now()
	do()
	if took := time.Since(begin); took > patience/2 {
		e.t.Errorf("%s takes %v", what, took)
	}
}

// A vassal whose boot hangs shows the step, and delays neither its removal, nor its stop, nor
// the end of the emperor.
func TestBootThatHangs(t *testing.T) {
	for name := range hangs(newWorld(t)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			hang := hangs(w)[name]
			e := w.start(allNamespaces, "--reload-mercy", "600")
			watcher := e.watch()
			for _, end := range []string{"stop", "removal", "end"} {
				file := end + ".ini"
				w.vassal(file, append(hang.options, serves)...)
				e.await(file, "-> starting")
				e.waitsFor(file, hang.waits)
				watcher.sees(t, file, "boot", "it waits for "+hang.waits)
				e.soon(end, func() {
					switch end {
					case "stop":
						w.succeed("stop", "--wait", file)
					case "removal":
						w.remove(file)
						e.gone(file)
					case "end":
						e.stop(syscall.SIGTERM)
					}
				})
			}
		})
	}
}

// A stop lets a hook of the boot end by itself, and no other hook runs after it.
func TestStopDuringAHookOfTheBoot(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"as-vassal", "asap", "pre-jail", "as-root", "as-user", "pre-app"} {
		for _, end := range []string{"stop", "removal", "end"} {
			t.Run(phase+" "+end, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.write("gate.sh", "#!/bin/sh\nuntil test -e "+w.path("open")+"; do sleep 0.05; done; touch "+w.path("ended")+"\n")
				w.run("chmod +x " + w.path("gate.sh"))
				own, operators := []string{"exec-" + phase + " = " + w.path("gate.sh"), "exec-" + phase + " = touch " + w.path("next"), serves}, []string(nil)
				if phase == "as-vassal" {
					own = []string{serves}
					operators = []string{"--exec-as-vassal", w.path("gate.sh"), "--exec-as-vassal", "touch " + w.path("next")}
				}
				w.vassal("a.ini", own...)
				e := w.start(append([]string{allNamespaces, "--reload-mercy", "600"}, operators...)...)
				e.waitsFor("a.ini", "hook "+phase+" #1 (exec: "+w.path("gate.sh")+")")
				switch end {
				case "stop":
					w.succeed("stop", "a.ini")
				case "removal":
					w.remove("a.ini")
				case "end":
					e.signal(syscall.SIGTERM)
				}
				e.await("a.ini", "starting -> stopping")
				time.Sleep(1500 * time.Millisecond)
				if e.count("a.ini", "stopping ->") > 0 {
					t.Error("the hook has not its mercy")
				}
				w.write("open", "")
				e.await("a.ini", "stopping ->")
				if _, err := os.Stat(w.path("ended")); err != nil {
					t.Errorf("the hook did not end by itself: %v", err)
				}
				if _, err := os.Stat(w.path("next")); err == nil {
					t.Error("the next hook ran")
				}
				if e.count("a.ini", "killing") > 0 {
					t.Error("the vassal was killed")
				}
				if end == "end" {
					<-e.ended
				}
			})
		}
	}
}

// A command that does not end is killed when the mercy is over, with an emperor and without one,
// and at once by a second stop.
func TestHookOfTheBootThatHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "exec-as-root = echo $$ > "+w.path("pid")+"; exec sleep 600", "hook-timeout = 0", serves)
	e := w.start(allNamespaces, "--reload-mercy", "2")
	e.waitsFor("a.ini", "hook as-root #1 (exec: echo $$ > "+w.path("pid")+"; exec sleep 600)")
	w.succeed("stop", "--wait", "a.ini")
	e.await("a.ini", "stopping -> killing")
	e.stop(syscall.SIGTERM)
	for name, alone := range map[string]struct{ mercy, stops string }{
		"alone":       {"2", "kill $!"},
		"told twice":  {"600", "kill $!; sleep 0.5; kill $!"},
		"interrupted": {"600", "kill -INT $!; sleep 0.5; kill -INT $!"},
	} {
		if err := os.Remove(w.path("pid")); err != nil {
			t.Fatal(err)
		}
		w.vassal("a.ini", "exec-as-root = echo $$ > "+w.path("pid")+"; exec sleep 600", "hook-timeout = 0", "reload-mercy = "+alone.mercy, serves)
		e.soon(name, func() {
			w.run(program("vassal") + " " + w.vassals + "/a.ini" + " & until test -s " + w.path("pid") + "; do sleep 0.05; done; " + alone.stops + "; wait $!")
		})
		w.run("! kill -0 $(cat " + w.path("pid") + ")")
	}
}

// A C function has the whole mercy, and a second stop ends it at once.
func TestFunctionOfCThatPauses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "call-as-root = pause", serves)
	e := w.start(allNamespaces, "--reload-mercy", "600")
	e.await("a.ini", "-> starting")
	e.waitsFor("a.ini", "hook as-root #1 (call: pause)")
	w.succeed("stop", "a.ini")
	e.await("a.ini", "starting -> stopping")
	time.Sleep(3 * time.Second)
	e.waitsFor("a.ini", "hook as-root #1 (call: pause)")
	if e.count("a.ini", "stopping ->") > 0 {
		t.Error("it has not its mercy")
	}
	e.soon("the second stop", func() { w.succeed("stop", "--wait", "a.ini") })
	e.await("a.ini", "stopping -> killing")
	w.succeed("start", "a.ini")
	e.waitsFor("a.ini", "hook as-root #1 (call: pause)")
	e.signal(syscall.SIGTERM)
	e.await("a.ini", "starting -> stopping")
	time.Sleep(300 * time.Millisecond) // a second one too soon counts as the first
	e.soon("the second signal", func() { e.stop(syscall.SIGTERM) })
}

// The emperor's hooks are named as well, before the vassal boots and after its death, and so
// is a replacement program that does not accept.
func TestWhatAVassalWaitsForOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("gate.sh", "#!/bin/sh\nwhile ! test -e "+w.path("open")+"; do sleep 0.05; done\n")
	w.run("chmod +x " + w.path("gate.sh"))
	hook := w.path("gate.sh")
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--exec-as-emperor", hook, "--exec-as-emperor-after-vassal", hook)
	e.waitsFor("a.ini", "hook as-emperor #1 (exec: "+hook+")")
	w.write("open", "")
	e.running("a.ini")
	eventually(t, "it waits for nothing", func() bool { return !strings.Contains(w.succeed("list"), "waits for") })
	if err := os.Remove(w.path("open")); err != nil {
		t.Fatal(err)
	}
	w.succeed("stop", "a.ini")
	e.await("a.ini", "-> clearing")
	e.waitsFor("a.ini", "hook as-emperor-after-vassal #1 (exec: "+hook+")")
	w.write("open", "")
	e.stop(syscall.SIGTERM)

	w.write("mute.sh", "#!/bin/sh\nexec sleep 300\n")
	w.run("chmod +x " + w.path("mute.sh"))
	e = w.start(allNamespaces, "--reload-mercy", "1", "--emperor-wrapper", w.path("mute.sh"))
	e.waitsFor("a.ini", "program "+w.path("mute.sh"))
	e.stop(syscall.SIGTERM)
}

// A running vassal whose new file cannot be read to its end continues, takes over the file
// once it is correct again, and stops.
func TestReloadThatHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkfifo " + w.path("fifo"))
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--reload-mercy", "600", "--emperor-reload-timeout", "2")
	pid := e.running("a.ini")
	hang := func() {
		t.Helper()
		w.vassal("a.ini", serves, "ini = "+w.path("fifo"))
		e.await("a.ini", "-> reloading")
		var before []int // the worker of an earlier reload may still be ending
		eventually(t, "there is one worker", func() bool { before = children(pid); return len(before) == 1 })
		if err := syscall.Kill(before[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the worker is replaced", func() bool { now := children(pid); return len(now) == 1 && now[0] != before[0] })
		e.await("a.ini", "the vassal did not answer in time")
	}
	hang()
	w.vassal("a.ini", serves, "env = A=1")
	e.await("a.ini", "reloaded")
	hang()
	e.undisturbed("a.ini", pid)
	e.soon("the stop", func() { w.succeed("stop", "--wait", "a.ini") })
}

// Hooks that hang at the end do not delay an emperor that was asked twice to stop.
func TestHookOfTheEndThatHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--exec-as-emperor-after-vassal", "sleep 300")
	e.running("a.ini")
	e.signal(syscall.SIGTERM)
	e.await("a.ini", "-> clearing")
	time.Sleep(300 * time.Millisecond)
	e.soon("the second signal", func() { e.stop(syscall.SIGTERM) })
}
