//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// parrot speaks uWSGI's protocol: it prints the bytes from the pipe and how its configuration
// arrives, and reports each byte that is written to the FIFO of its name.
const parrot = `#!/usr/bin/env python3
import os, socket, struct, sys, threading, time
pipe, configs = socket.socket(fileno=int(os.environ["UWSGI_EMPEROR_FD"])), socket.socket(fileno=int(os.environ["UWSGI_EMPEROR_FD_CONFIG"]))
fifo = os.environ["PARROT"] + "/" + sys.argv[-1].split("//")[-1]
os.path.exists(fifo) or os.mkfifo(fifo)
def say(*words): print(*words, flush=True)
def read_configuration():
    modifier1, size, modifier2 = struct.unpack("<BHB", configs.recv(4, socket.MSG_WAITALL))
    text = configs.recv(size, socket.MSG_WAITALL).decode()
    say("configuration", modifier1, modifier2, [l for l in text.splitlines() if l.startswith("mark")])
say("arguments", *sys.argv[1:])
say("broodlord", os.environ.get("UWSGI_BROODLORD_NUM", "none"))
read_configuration()
def listen():
    while True:
        said = pipe.recv(1)
        if not said:
            say("the pipe was closed")
            os._exit(0)
        say("heard", said[0])
        if said[0] == 1:
            pipe.send(b"\x02")
            read_configuration()
            pipe.send(b"\x05")
        elif said[0] in (0, 2):
            os._exit(0)
threading.Thread(target=listen).start()
pipe.send(b"\x01")
while True:
    for word in open(fifo).read().split():
        pipe.send(bytes([int(word)]))
`

// TestEveryByte: each byte of uWSGI's protocol has its effect, in both directions, and the
// output of an executed file arrives as a packet, at the start and on request.
func TestEveryByte(t *testing.T) {
	everywhere(t, func(t *testing.T, clone []string) {
		w := newWorld(t)
		w.write("parrot", parrot)
		if err := os.Chmod(w.path("parrot"), 0o755); err != nil {
			t.Fatal(err)
		}
		put := func(mark string) {
			w.script(filepath.Join(w.vassals, "a.ini"), `printf "[uwsgi]\nmark = `+mark+`\n[zerg]\nworker = true\n"`)
		}
		put("first")
		cmd := w.inside(program("emperor"), append(clone, "--emperor-log-format", "json", "--emperor-wrapper", w.path("parrot"), "--pass-environment", "PARROT",
			"--emperor-magic-exec", "--emperor-broodlord", "1", "--emperor-graceful-shutdown", w.vassals)...)
		cmd.Env = append(cmd.Env, "PARROT="+w.path("s"))
		e := w.launch(cmd)
		says := func(words string) { w.run("printf '%s\\n' '" + words + "' >" + w.path("s/a.ini")) }

		e.await("a.ini", "arguments --ini emperor://a.ini")
		e.await("a.ini", "configuration 115 0 ['mark = first']")
		eventually(t, "1: it was spawned", func() bool { s := w.status("a.ini"); return s.State == "starting" && !s.Ready.IsZero() })
		says("5") // it accepts
		pid := e.running("a.ini")
		says("26") // heartbeat
		eventually(t, "26: the beat is noted", func() bool { return !w.status("a.ini").Heartbeat.IsZero() })
		says("17") // it has served
		eventually(t, "17: it is loyal", func() bool { return !w.status("a.ini").Loyal.IsZero() })
		says("99")
		put("second")
		e.await("a.ini", "heard 1")
		e.await("a.ini", "configuration 115 0 ['mark = second']") // that it requested by 2
		e.await("a.ini", "reloading -> running")
		if s := w.status("a.ini"); s.PID != pid || s.Failures != 0 {
			t.Errorf("a reload made %+v", s)
		}
		says("30") // reinforcement
		e.await("a.ini:zerg", "arguments --ini emperor://a.ini:zerg")
		e.await("a.ini:zerg", "broodlord 1")
		w.run("printf '5\\n' >" + w.path("s/a.ini:zerg"))
		e.running("a.ini:zerg")
		says("22") // it leaves
		e.await("a.ini", "wants to stop")
		e.await("a.ini", "heard 0")
		e.await("a.ini", "-> idle")
		e.gone("a.ini:zerg")
		put("third")
		e.await("a.ini", "configuration 115 0 ['mark = third']")
		says("5")
		e.running("a.ini")
		e.stop(syscall.SIGTERM)
		e.await("a.ini", "heard 2") // gracefully
		if log := e.about("a.ini"); strings.Contains(log, "cursed") || strings.Contains(log, "killing") {
			t.Errorf("something went wrong:\n%s", log)
		}
	})
}

// TestListShowsWhatVassalsSay: STATUS of sd_notify in a column, RELOADING and STOPPING beside
// the state.
func TestListShowsWhatVassalsSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("talker", `import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
os.path.exists(sys.argv[1]) or os.mkfifo(sys.argv[1])
s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
while True:
    s.sendto(open(sys.argv[1], "rb").read(), os.environ["NOTIFY_SOCKET"])
`)
	fifo := w.path("s/words")
	w.vassal("a.ini", "notify-ready = true", "unprivileged-binary-patch-arg = python3 "+w.path("talker")+" "+fifo)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	for _, tt := range []struct{ says, want string }{
		{"STATUS=at work", `running +\d.* at work`},
		{"RELOADING=1", `running \(reloading\) .* at work`},
		{"READY=1", `running +\d.* at work`},
		{"STOPPING=1\nSTATUS=\x1b[2Jgood bye", `running \(stopping\) .* .\[2Jgood bye`},
	} {
		w.write("said", tt.says)
		w.run("cat " + w.path("said") + " >" + fifo)
		eventually(t, "list shows "+tt.want, func() bool {
			return regexp.MustCompile(`(?m)^a\.ini +` + tt.want + `$`).MatchString(w.succeed("list"))
		})
	}
	if now := w.status("a.ini").PID; now != pid {
		t.Errorf("it has another process: %d, was %d", now, pid)
	}
	e.stop(syscall.SIGTERM)
}
