//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hostile speaks uWSGI's protocol as badly as its name says.
const hostile = `#!/usr/bin/env python3
import os, signal, sys, time
fd = int(os.environ["UWSGI_EMPEROR_FD"])
how = sys.argv[-1].removeprefix("emperor://").removesuffix(".ini")
def write(text):
    try:
        os.write(fd, text)
    except BlockingIOError:
        time.sleep(0.001)
for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(s, signal.SIG_IGN)
if how == "closes":
    os.close(fd)
elif how == "floods":
    os.write(fd, b"\x05")
    while True:
        write(b"\x1a\x1e\x11\x02" * 1024)
elif how == "babbles":
    os.write(fd, b"\x05")
    while True:
        write(bytes(b for b in os.urandom(4096) if b != 22))
elif how == "leaves":
    while True:
        write(b"\x05\x16")
else:
    os.write(fd, b"\x05")
while True:
    time.sleep(1000)
`

// TestHostileVassals do the worst that a program with the pipe can do, all at
// once: the emperor costs next to nothing, a neighbour is served as ever, and each
// of them ends when it should.
func TestHostileVassals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("hostile", hostile)
	if err := os.Chmod(w.path("hostile"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.vassal("neighbour.ini", serves)
	for _, how := range []string{"floods", "babbles", "leaves", "closes", "deaf"} {
		w.write(filepath.Join(w.vassals, how+".ini"), "[uwsgi]\n[emperor]\nbecome = "+w.path("hostile")+"\n")
	}
	e := w.start("--emperor-wrapper-attr", "become", "--emperor-curse-tolerance", "1", "--reload-mercy", "2", "--emperor-broodlord", "2")
	pid := e.running("neighbour.ini")
	for _, how := range []string{"floods.ini", "babbles.ini", "deaf.ini"} {
		e.running(how)
	}
	e.await("closes.ini", "-> cursed")
	e.await("leaves.ini", "wants to stop")
	e.await("leaves.ini", "-> killing") // it was asked to, and did not
	e.await("leaves.ini", "-> idle")
	before, start := ticks(t, e.pid()), time.Now()
	for range 5 {
		asked := time.Now()
		w.succeed("reload", "neighbour.ini", "--wait")
		if took := time.Since(asked); took > 3*time.Second {
			t.Errorf("a reload of the neighbour took %v", took)
		}
		time.Sleep(200 * time.Millisecond)
	}
	used := time.Duration(ticks(t, e.pid())-before) * 10 * time.Millisecond // 100 a second, on every Linux
	if spent := time.Since(start); used > spent/2 {
		t.Errorf("the emperor used %v of %v", used, spent)
	}
	t.Logf("the emperor used %v in %v", used, time.Since(start))
	if !alive(pid) {
		t.Error("the neighbour was harmed")
	}
	for _, how := range []string{"floods.ini", "babbles.ini", "deaf.ini", "closes.ini"} {
		w.remove(how)
	}
	for _, how := range []string{"floods.ini", "babbles.ini", "deaf.ini", "closes.ini"} {
		e.gone(how)
	}
}

// ticks is the processor time that a process has used.
func ticks(t *testing.T, pid int) (sum int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}
