//go:build linux

package integration

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// ticker counts its successful notifications and sends the count by sd_notify(3), repeatedly.
const ticker = `
import os, socket, time
s, n = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), 0
while True:
    try:
        s.sendto(b"STATUS=tick %d" % (n + 1), os.environ["NOTIFY_SOCKET"])
        n += 1
    except OSError:
        pass
    time.sleep(0.02)
`

// exchange sends and, by a stream, returns all bytes that come back.
func exchange(t *testing.T, network, address string, message []byte) string {
	t.Helper()
	c, err := netDial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if len(message) > 0 {
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
		return ""
	}
	text, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ticks returns how many of them have arrived.
func (w *world) ticks(dir string) int {
	out, _ := w.command("--runtime-dir", dir, "status", "a.ini")
	_, rest, _ := strings.Cut(out, "tick ")
	n, _ := strconv.Atoi(strings.Fields(rest + " 0")[0])
	return n
}

// A cleaner removes the runtime directory, or files in it. The control socket is soon there
// again, notifications of vassals arrive, and the directory still belongs to one emperor.
func TestRuntimeDirectoryIsRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.path("run")
	w.write("tick.py", ticker)
	w.vassal("a.ini", "unprivileged-binary-patch-arg = python3 "+w.path("tick.py"), "uid = 4001", "gid = 4001")
	e := w.start(allNamespaces, "--runtime-dir", run, "--emperor-stats", run+"/stats", "--emperor-command-socket", run+"/commands",
		"--exec-as-emperor", "ip link add h$UWSGI_VASSAL_PID type veth peer name in0 netns $UWSGI_VASSAL_PID")
	pid := e.running("a.ini")
	second := w.path("second")
	w.run("mkdir " + second)
	for _, harm := range []string{"rm -r " + run, "find " + run + " -type s -delete", "mv " + run + " " + run + ".old"} {
		eventually(t, "it is heard", func() bool { return w.ticks(run) > 0 })
		w.run(harm)
		e.await("", "runtime directory was removed: it is made again")
		before := w.ticks(run)
		eventually(t, "it is heard again after "+harm, func() bool { return w.ticks(run) > before+2 })
		eventually(t, "what a killed emperor would leave is written down again", func() bool {
			pages, _ := os.ReadDir(run + "/ledger")
			return len(pages) == 1
		})
		eventually(t, "statistics and commands can be had again", func() bool {
			c, stats := netDial("unix", run+"/stats") // it may be bound, and not listen yet
			if stats == nil {
				c.Close()
			}
			_, commands := os.Stat(run + "/commands")
			return stats == nil && commands == nil
		})
		if out := exchange(t, "unix", run+"/stats", nil); !strings.Contains(out, `"a.ini"`) {
			t.Errorf("statistics: %s", out)
		}
		exchange(t, "unixgram", run+"/commands", packet("cmd", "log", "vassal", "", "msg", "after "+harm))
		e.await("", "after "+harm)
		other := w.startOver("--runtime-dir", run, second)
		other.await("", "no control socket: another emperor has it")
		other.stop(syscall.SIGTERM)
	}
	e.undisturbed("a.ini", pid)
	e.stop(syscall.SIGTERM)
	if _, err := os.Lstat(run); !os.IsNotExist(err) {
		left, _ := exec.Command("find", run).Output()
		t.Errorf("left is %s", bytes.TrimSpace(left))
	}
}
