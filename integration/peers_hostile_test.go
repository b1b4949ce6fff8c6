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

// hostile replaces our vassal program, or a program that uses uWSGI's protocol, and abuses its
// channels in the way that the name of its file describes. A neighbour executes the ordinary
// program. The file beside "at-work" exists once the abuse has begun.
const hostile = `#!/usr/bin/env python3
import array, glob, json, os, signal, socket, sys, threading, time
vassal, marks = os.environ.get("HOSTILE_VASSAL"), os.environ.get("HOSTILE_MARKS")
how = sys.argv[-1].removeprefix("emperor://").removesuffix(".ini")
if how == "neighbour":
    os.execv(vassal, [vassal] + sys.argv[1:])
for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(s, signal.SIG_IGN)
pipe, orders = int(os.environ["UWSGI_EMPEROR_FD"]), int(os.environ.get("EMPEROR_ORDER_FD", -1))

def at_work():
    open(marks + "/" + how, "w").close()

def flood(send, messages, enough):
    os.write(pipe, b"\x05")
    said = 0
    while True:
        for m in messages():
            try:
                send(m)
            except OSError: # full, or too long
                time.sleep(0.0005)
            said += 1
            if said == enough:
                at_work()

def with_descriptors(s, to=None):
    s.setblocking(False)
    extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
    return lambda m: s.sendmsg([m], extra, 0, *([to] if to else []))

def notices():
    end = {"phase": "as-root", "index": 1, "text": os.urandom(40).hex(), "took": 1}
    yield os.urandom(300)
    yield b"\xff" * 5000
    yield b"[" * 4000
    for serial in range(4):
        for kind in ("ready", "failed", "anew", "status", "fallback", "exec", os.urandom(4).hex()):
            yield json.dumps({"serial": serial, "kind": kind, "text": "\x1b[2J\n" * 100}).encode()
    yield json.dumps({"kind": "hook", "hooks": [end, {"phase": "as-emperor", "index": -1, "took": -1}] * 5}).encode()

def notifications():
    yield b"READY=1\nSTATUS=" + b"\x1b[2J" * 500
    yield os.urandom(2000)
    yield b"WATCHDOG=1"
    yield b"RELOADING=1\nSTOPPING=1\n" * 10
    yield b""

def elsewhere(text):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.setblocking(False)
    for path in glob.glob(os.path.dirname(os.environ["NOTIFY_SOCKET"]) + "/*"):
        if path != os.environ["NOTIFY_SOCKET"]:
            s.sendto(text, path)

if how == "floods":
    flood(lambda m: os.write(pipe, m), lambda: [b"\x1a\x1e\x11\x02\x05\x01" * 700], 16)
elif how == "babbles":
    flood(lambda m: os.write(pipe, m), lambda: [bytes(b for b in os.urandom(4096) if b != 22)], 16)
elif how == "orders":
    flood(with_descriptors(socket.socket(fileno=orders)), notices, 2000)
elif how == "notifies":
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    flood(with_descriptors(s, os.environ["NOTIFY_SOCKET"]), notifications, 2000)
elif how == "forges":
    flood(elsewhere, lambda: [b"READY=1\nSTATUS=forged\nSTOPPING=1"], 200)
elif how == "asks": # for its configuration, and never reads it
    flood(lambda m: os.write(pipe, m), lambda: [b"\x02" * 64], 64)
elif how == "leaves":
    flood(lambda m: os.write(pipe, m), lambda: [b"\x05\x16"], 16)
elif how == "everything":
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    for work in ((with_descriptors(socket.socket(fileno=orders)), notices, 500), (with_descriptors(s, os.environ["NOTIFY_SOCKET"]), notifications, 500),
                 (print, lambda: ["\x1b[2Jgarbage" * 100], 100)):
        threading.Thread(target=flood, args=work).start()
    flood(lambda m: os.write(pipe, m), lambda: [b"\x1a\x1e\x11\x02\x05\x01" * 700], 16)
elif how == "closes":
    os.close(pipe)
elif how == "closes-all":
    os.closerange(0, 1000)
elif how == "closes-orders":
    os.close(orders)
    os.write(pipe, b"\x05")
else: # deaf
    os.write(pipe, b"\x05")
    if orders >= 0:
        os.write(orders, b'{"serial":1,"kind":"ready"}')
at_work()
while True:
    time.sleep(1000)
`

// besieged is an emperor with a good vassal, which a hostile one must not affect.
type besieged struct {
	*emperor
	pid    int
	socket string
}

// neighbour starts an emperor with a good vassal, and a hostile one whose abuse has begun when
// neighbour returns.
func (w *world) neighbour(how string, args ...string) *besieged {
	w.t.Helper()
	w.write("hostile", hostile)
	if err := os.Chmod(w.path("hostile"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	b := &besieged{socket: w.path("s/neighbour")}
	w.write("www/index.html", "served")
	w.vassal("neighbour.ini", "http-socket = "+b.socket, "static-map = /="+w.path("www"))
	w.vassal(how+".ini", serves, "[emperor]", "become = "+w.path("hostile"))
	cmd := w.inside(program("emperor"), append([]string{
		"--emperor-log-format", "json", "--emperor-curse-tolerance", "1", "--reload-mercy", "1", "--emperor-broodlord", "2", "--pass-environment", "HOSTILE_*",
	}, append(args, w.vassals)...)...)
	cmd.Env = append(cmd.Env, "HOSTILE_VASSAL="+program("vassal"), "HOSTILE_MARKS="+w.path("at-work"))
	b.emperor = w.launch(cmd)
	b.pid = b.running("neighbour.ini")
	eventually(w.t, how+" is at work", func() bool { _, err := os.Stat(w.path("at-work/" + how)); return err == nil })
	return b
}

// unharmed fails the story unless the loop answers, the good vassal is reloaded and serves,
// and the emperor uses almost no processor time.
func (b *besieged) unharmed(t *testing.T) {
	t.Helper()
	before, start := ticks(t, b.emperor.pid()), time.Now()
	for range 5 {
		b.world.succeed("reload", "neighbour.ini", "--wait")
		if got := visit(t, b.socket, "/"); got != "served" {
			t.Errorf("the neighbour answers %q", got)
		}
		if s := b.status("neighbour.ini"); s.State != "running" || s.PID != b.pid || s.Status == "forged" || s.Failures > 0 {
			t.Errorf("the neighbour was harmed: %+v", s)
		}
		time.Sleep(200 * time.Millisecond) // the abuse continues
	}
	used, spent := time.Duration(ticks(t, b.emperor.pid())-before)*10*time.Millisecond, time.Since(start) // 100 a second, on every Linux
	if used > spent/2 {
		t.Errorf("the emperor used %v of %v", used, spent)
	}
	t.Logf("the emperor used %v in %v", used, spent)
	b.undisturbed("neighbour.ini", b.pid)
}

// TestHostileVassals: hostile programs abuse the channels in every way. The loop answers and uses
// almost no processor time, a neighbour is served, and each hostile vassal ends as expected.
func TestHostileVassals(t *testing.T) {
	cursed := func(_ *testing.T, e *emperor, how string) {
		e.await(how, "-> cursed")
		e.await(how, "-> killing")
		e.await(how, "-> backoff")
	}
	for how, then := range map[string]func(t *testing.T, e *emperor, how string){
		"floods": nil, "babbles": nil, "orders": nil, "notifies": nil, "forges": nil, "asks": nil, "everything": nil,
		"closes": cursed, "closes-all": cursed, "closes-orders": nil,
		"leaves": func(_ *testing.T, e *emperor, how string) {
			e.await(how, "wants to stop")
			e.await(how, "-> killing") // it ignored the request to stop
			e.await(how, "-> idle")
		},
		"deaf": func(t *testing.T, e *emperor, how string) {
			if out, code := e.command("reload", how, "--wait"); code == 0 || !strings.Contains(out, "did not answer in time") {
				t.Errorf("the reload of one that never reads: %d, %s", code, out)
			}
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, dir := range []string{"www", "at-work"} {
				if err := os.Mkdir(w.path(dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			args := []string{allNamespaces, "--emperor-vassal", w.path("hostile")}
			if how == "asks" {
				args = []string{"--emperor-wrapper-attr", "become"}
			}
			if how == "deaf" {
				args = append(args, "--emperor-reload-timeout", "10")
			}
			b := w.neighbour(how, args...)
			b.unharmed(t)
			if then != nil {
				then(t, b.emperor, how+".ini")
			}
			w.remove(how + ".ini")
			b.gone(how + ".ini")
		})
	}
}

// ticks returns the processor time of a process.
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
