//go:build linux

package integration

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func netDial(network, address string) (net.Conn, error) {
	return net.DialTimeout(network, address, patience)
}

// A directory that is removed and made again with the same files affects no vassal.
func TestDirectoryMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	w.run("cp -pr " + w.vassals + " " + w.path("kept") + " && rm -r " + w.vassals)
	e.await("", "cannot read the directory; its vassals keep running")
	w.run("mv " + w.path("kept") + " " + w.vassals)
	e.await("", "can be read again")
	w.vassal("b.ini", serves)
	e.running("b.ini")
	e.undisturbed("a.ini", pid)
	e.stop(syscall.SIGTERM)
}

// The same for a directory over which another file system is mounted.
func TestDirectoryMountedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--emperor-freq", "1")
	pid := e.running("a.ini")
	upper := w.path("upper")
	w.run("mkdir " + upper + " && cp -p " + w.vassals + "/* " + upper)
	w.write("upper/b.ini", ini(serves))
	w.run("mount --bind " + upper + " " + w.vassals)
	e.running("b.ini")
	w.run("umount -l " + w.vassals)
	e.gone("b.ini")
	e.undisturbed("a.ini", pid)
	e.stop(syscall.SIGTERM)
}

// After dropped events the emperor rescans everything.
func TestLostEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	w.write("v/one.txt", "")
	w.write("v/two.txt", "")
	e := w.start(allNamespaces, "--emperor-freq", "0")
	pid := e.running("a.ini")
	e.signal(syscall.SIGSTOP)
	now := time.Now()
	for range 10000 { // the queue holds 16384 events by default
		for _, name := range []string{"v/one.txt", "v/two.txt"} {
			if err := os.Chtimes(w.path(name), now, now); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.vassal("late.ini", serves)
	e.signal(syscall.SIGCONT)
	e.running("late.ini")
	e.undisturbed("a.ini", pid)
	e.stop(syscall.SIGTERM)
}

// Without inotify the emperor polls every second, and reports it.
func TestNoEventsToBeHad(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.launch(w.inside("unshare", "--user", "--map-root-user", "sh", "-c",
		`echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"`, "sh", program("emperor"), "--emperor-log-format", "json", w.vassals))
	e.await("", "no events: polling every second")
	e.running("a.ini")
	w.vassal("b.ini", serves)
	e.running("b.ini")
	e.remove("a.ini")
	e.gone("a.ini")
	e.stop(syscall.SIGTERM)
}

// A jump of the clock, visible in the times of files, restarts no vassal, and new files take
// effect.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--emperor-freq", "1")
	pid := e.running("a.ini")
	at := func(years int) {
		t.Helper()
		when := time.Now().AddDate(years, 0, 0)
		if err := os.Chtimes(w.path("v/a.ini"), when, when); err != nil {
			t.Fatal(err)
		}
	}
	at(+10)
	e.await("a.ini", "reloading -> running")
	at(-10) // older, and the same: no effect
	e.barrier()
	w.write("new", ini("env = A=b", serves))
	old := time.Now().AddDate(-20, 0, 0)
	if err := os.Chtimes(w.path("new"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(w.path("new"), w.path("v/a.ini")); err != nil {
		t.Fatal(err)
	}
	e.await("a.ini", "reloading -> running")
	if n := e.count("a.ini", "-> reloading"); n != 2 || !alive(pid) {
		t.Errorf("it was reloaded %d times, want 2:\n%s", n, e.about("a.ini"))
	}
	e.stop(syscall.SIGTERM)
}

// A full disk with the emperor's sockets and a vassal's log stops no process.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	small := w.path("small")
	w.run("mkdir " + small + " && mount -t tmpfs -o size=64k,nr_inodes=64 small " + small)
	w.vassal("a.ini", "log = "+small+"/log", "command = sh -c 'while :; do head -c 1000 /dev/zero | tr \"\\0\" x; echo; sleep 0.01; done'")
	e := w.start(allNamespaces, "--runtime-dir", small+"/run")
	pid := e.running("a.ini")
	w.run("dd if=/dev/zero of=" + small + "/fill bs=4k 2>/dev/null || :; for i in $(seq 99); do touch " + small + "/$i 2>/dev/null || break; done")
	if out := w.run("df --output=avail " + small + " | tail -1"); strings.TrimSpace(out) != "0" {
		t.Fatalf("it is not full: %s", out)
	}
	w.vassal("b.ini", serves)
	e.running("b.ini")
	if out, code := w.command("--runtime-dir", small+"/run", "list"); code == 0 && !strings.Contains(out, "b.ini") {
		t.Errorf("list prints %s", out)
	}
	w.vassal("b.ini", "env = A=b", serves)
	e.await("b.ini", "reloading -> running")
	e.undisturbed("a.ini", pid)
	e.stop(syscall.SIGTERM)
	w.run("umount " + small)
}

// Of two emperors on one directory the second one refuses and names the first. Right after a
// kill -9 there is no first one any more.
func TestTwoEmperorsOnOneDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 10 {
		w.vassal(fmt.Sprintf("v%d.ini", i), serves)
	}
	e := w.start(allNamespaces)
	pid := e.running("v0.ini")
	for round := range 3 {
		second := w.start(allNamespaces)
		if code := second.wait(); code != 1 {
			t.Errorf("the second emperor ended with %d, want 1", code)
		}
		second.await("", fmt.Sprintf("another emperor does (pid %d)", e.pid()))
		if !alive(pid) {
			t.Error("the second emperor disturbed a vassal of the first")
		}
		if err := syscall.Kill(e.pid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		e.wait()
		e = w.start(allNamespaces)
		pid = e.running("v0.ini")
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	e.stop(syscall.SIGTERM)
}

// A process that a vassal has started, in another session and with another parent, ends at the
// latest when an emperor succeeds one that was killed.
func TestOrphansOfAKilledEmperor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := w.path("s/pid")
	w.vassal("a.ini", "command = sh -c 'setsid sh -c \"echo \\$\\$ >"+file+"; exec sleep 1000\" & exec sleep 1000'")
	e := w.start()
	e.running("a.ini")
	eventually(t, "it has started something", func() bool { return number(file) > 0 })
	pid := number(file)
	if err := syscall.Kill(e.pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e.wait()
	e = w.start()
	e.running("a.ini")
	if alive(pid) {
		t.Errorf("process %d is left", pid)
	}
	e.stop(syscall.SIGTERM)
}

// The directory decides, not the runtime directory, nor the path by which the second emperor
// knows it, nor whether the second can see the first.
func TestSecondEmperorByAnotherName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	w.run("ln -s v " + w.path("link") + " && mkdir " + w.path("bound") + " && mount --bind " + w.vassals + " " + w.path("bound"))
	e := w.start(allNamespaces, "--runtime-dir", w.path("one"))
	pid := e.running("a.ini")
	named := fmt.Sprintf("another emperor does (pid %d)", e.pid())
	for i, args := range [][]string{
		{w.vassals},
		{w.vassals + "/."},
		{w.path("link")},
		{w.path("bound")},
		{"--emperor", w.vassals, "--emperor", w.base},
	} {
		second := w.startOver(append([]string{"--runtime-dir", w.path(fmt.Sprintf("two%d", i))}, args...)...)
		if code := second.wait(); code != 1 {
			t.Errorf("%v: the second emperor ended with %d, want 1", args, code)
		}
		second.await("", named)
	}
	blind := w.launch(w.inside("unshare", "--pid", "--fork", "--mount-proc", program("emperor"), "--emperor-log-format", "json",
		"--runtime-dir", w.path("blind"), w.vassals))
	if code := blind.wait(); code != 1 {
		t.Errorf("the second emperor, which sees no first, ended with %d, want 1", code)
	}
	blind.await("", "another emperor does (in another pid namespace)")
	e.undisturbed("a.ini", pid)
	e.stop(syscall.SIGTERM)
	last := w.startOver("--runtime-dir", w.path("three"), w.path("link"))
	last.running("a.ini")
	last.stop(syscall.SIGTERM)
	w.run("umount " + w.path("bound"))
}

// An incomplete vassal program is reported with its end, and once it is complete the vassal
// runs.
func TestVassalProgramThatIsNotWhole(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(program("vassal"))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	path := w.path("vassal")
	install := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(path+".new", text, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	install(whole[:100])
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--emperor-vassal", path, "--emperor-backoff-max", "1", "--exec-as-emperor", "sleep 0.2")
	for text, want := range map[string]string{
		string(whole[:100]):                        `exec format error (is the file whole`,
		string(whole[:100000]):                     `/vassal\" ended before it took its order: signal: segmentation fault (is the file whole`,
		"#!/bin/sh\nexit 7\n":                      `/vassal\" ended before it took its order: exit status 7 (is the file whole`,
		"#!/bin/sh\nexec sleep 100000 3>&- 4>&-\n": `/vassal\" has closed the channel for its order`,
	} {
		install([]byte(text))
		e.await("a.ini", want)
		if n := e.count("a.ini", "cannot launch\",\"error\":\"cannot send order"); n > 0 {
			t.Errorf("%d errors without a program:\n%s", n, e.about("a.ini"))
		}
	}
	install(whole)
	e.running("a.ini")
	e.stop(syscall.SIGTERM)
}

// A limit that is too low for the number of vassals is reported at the start, with its name.
func TestTooFewDescriptors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const vassals = 12
	for i := range vassals {
		w.vassal(fmt.Sprintf("v%d.ini", i), serves)
	}
	args := []string{"--emperor-log-format", "json", "--emperor-concurrency", "1", w.vassals}
	start := func(limit string) *emperor {
		return w.launch(w.inside("sh", append([]string{"-c", "ulimit -n " + limit + ` && exec "$@"`, "sh", program("emperor")}, args...)...))
	}
	e := start("210")
	e.await("", fmt.Sprintf("no room for %d vassals: RLIMIT_NOFILE permits about ", vassals))
	e.stop(syscall.SIGTERM)
	e = start("400")
	for i := range vassals {
		e.running(fmt.Sprintf("v%d.ini", i))
	}
	if n := e.count("", "no room for"); n > 0 {
		t.Errorf("with enough of them: %s", e.tail())
	}
	e.stop(syscall.SIGTERM)
}
