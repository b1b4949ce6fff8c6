//go:build linux

package integration

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// daemonScript is a program beside the workers that logs its signals. Its name is its first
// argument.
const daemonScript = `
trap 'echo "$1 ends"; exit 0' TERM
trap 'echo "$1 reloads"' HUP
trap 'echo "$1 got USR1"; exit 3' USR1
[ "$2" ] && echo $$ >"$2"
echo "$1 runs as $(id -u):$(id -g) in $(pwd) leading $(($(ps -o sid= -p $$) - $$)) reading $(readlink /proc/self/fd/0)"
while :; do sleep 0.02; done
`

// Each kind of daemon is started, reloaded, replaced and ended in its own way.
func TestEveryKindOfDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("d.sh", daemonScript)
	w.write("touch", "")
	d, smart := "sh "+w.path("d.sh"), w.path("s/smart.pid")
	w.vassal("a.ini", serves, "chdir = /srv",
		"attach-daemon = "+d+" plain",
		"attach-daemon2 = cmd="+d+" keyed,chdir=/tmp,uid=4001,gid=4100,stopsignal=USR1,reloadsignal=HUP,touch="+w.path("none")+";"+w.path("touch"),
		"attach-daemon2 = pidfile="+w.path("s/two.pid")+",daemonize=1,cmd="+d+" second",
		"smart-attach-daemon2 = "+w.path("s/one.pid")+" "+d+" first",
		"smart-attach-daemon = "+smart+" sh -c 'setsid "+d+" smart "+smart+" &'",
	)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	for name, as := range map[string]string{"plain": "0:0 in /srv", "keyed": "4001:4100 in /tmp", "first": "0:0 in /srv", "second": "0:0 in /srv", "smart": "0:0 in /srv"} {
		e.await("a.ini", name+" runs as "+as+" leading 0 reading /dev/null")
	}
	for range 3 {
		e.await("a.ini", "daemon runs") // as their pid files show
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"workers replaced", "plain ends", "keyed reloads"} {
		e.await("a.ini", text)
	}
	e.await("a.ini", "plain runs as 0:0") // the line that it has read
	e.await("a.ini", "plain runs as 0:0") // and the next
	w.write("touch", "touched")
	e.await("a.ini", "keyed got USR1")
	for range 2 {
		e.await("a.ini", "keyed runs as 4001:4100 in /tmp l")
	}
	for name, file := range map[string]string{"first": w.path("s/one.pid"), "second": w.path("s/two.pid"), "smart": smart} {
		in(t, pid, "kill -9 $(cat "+file+")")
		for range 2 {
			e.await("a.ini", name+" runs as 0:0")
		}
		if n := e.count("a.ini", name+" runs as"); n != 2 {
			t.Errorf("%s ran %d times", name, n)
		}
	}
	e.remove("a.ini")
	for _, text := range []string{"plain ends", "keyed got USR1"} {
		e.await("a.ini", text)
	}
	e.gone("a.ini")
}

// A command that only a shell understands is run by one, as uWSGI does with all, and a stop
// reaches the processes that the shell has started.
func TestDaemonOfAShell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("d.sh", daemonScript)
	w.vassal("a.ini", serves, "attach-daemon = NAME=listed; sh "+w.path("d.sh")+" $NAME; true", "attach-daemon2 = reloadsignal=HUP,cmd=cd /srv && sh "+w.path("d.sh")+" moved")
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	e.await("a.ini", "listed runs as 0:0")
	e.await("a.ini", "moved runs as 0:0 in /srv")
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	e.await("a.ini", "moved reloads")
	e.await("a.ini", "listed ends")
	for range 2 {
		e.await("a.ini", "listed runs as 0:0 in")
	}
	e.remove("a.ini")
	e.await("a.ini", "moved ends")
	e.gone("a.ini")
	if n := e.count("a.ini", "moved runs as"); n != 1 {
		t.Errorf("the one with a reload signal ran %d times", n)
	}
	if e.count("a.ini", "did not stop in time") > 0 {
		t.Error("a process had to be killed")
	}
}

// A daemon with a pid file outlives the vassal, and the next vassal finds it.
func TestDaemonOutlivesItsVassal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("d.sh", daemonScript)
	file := w.path("s/one.pid")
	w.write("a.ini", ini("command = sh -c 'sleep 0.1; kill -TERM $PPID; exec sleep 1000'", "smart-attach-daemon2 = "+file+" sh "+w.path("d.sh")+" first"))
	byHand := func() string {
		cmd := w.inside("sh", "-c", `exec "$@" >"$0" 2>&1`, w.path("out"), program("vassal"), w.path("a.ini"))
		output(t, cmd)
		text, err := os.ReadFile(w.path("out"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if said := byHand(); !strings.Contains(said, "daemon started") {
		t.Errorf("the first vassal says %s", said)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || !alive(pid) {
		t.Fatalf("the daemon %q did not stay: %v", text, err)
	}
	defer func() { _ = exec.Command("kill", "-9", strconv.Itoa(pid)).Run() }()
	if said := byHand(); strings.Contains(said, "daemon started") || !strings.Contains(said, "daemon runs pid="+strconv.Itoa(pid)) {
		t.Errorf("the second vassal says %s", said)
	}
	if !alive(pid) {
		t.Error("the second vassal has ended it")
	}
}
