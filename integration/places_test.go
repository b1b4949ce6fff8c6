//go:build linux

package integration

import (
	"encoding/binary"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A pattern of paths: each vassal's name is its path, as in uWSGI.
func TestGlobMonitor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, dir := range []string{"srv/one", "srv/two"} {
		if err := os.MkdirAll(w.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	one, two, three := w.path("srv/one/v.ini"), w.path("srv/two/v.ini"), w.path("srv/three/v.ini")
	w.write("srv/one/v.ini", ini("exec-as-root = echo I am $UWSGI_VASSAL_NAME in $PWD", serves))
	w.vassal("plain.ini", serves)
	e := w.start(allNamespaces, "--emperor", "glob://"+w.path("srv/*/v.ini"), "--emperor", w.path("srv/nothing*"), "--exec-as-emperor", "echo started $UWSGI_VASSAL_CONFIG")
	e.await(one, "started "+one)
	e.await(one, " in /") // the emperor's
	pid := e.running(one)
	e.running("plain.ini")
	w.write("srv/two/v.ini", ini(serves))
	e.running(two)
	if err := os.Mkdir(w.path("srv/three"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("srv/three/v.ini", ini(serves))
	e.running(three)
	if out := w.succeed("status", one); !strings.Contains(out, one) {
		t.Errorf("status prints %s", out)
	}
	w.succeed("reload", one, "--wait")
	if err := os.RemoveAll(w.path("srv/two")); err != nil {
		t.Fatal(err)
	}
	e.gone(two)
	if !alive(pid) {
		t.Error("the others were disturbed")
	}
	e.stop(syscall.SIGTERM)
}

// The names of files that are vassals, and the files that are ignored.
func TestWhatIsAVassal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("v/a.vassal", ini(serves))
	w.write("v/made.ini", "#!/bin/sh\necho '[uwsgi]'; echo 'command = sleep 1000000'; echo 'exec-as-root = echo made by a program'\n")
	if err := os.Chmod(w.path("v/made.ini"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("v/tenants.ini", "#!/bin/sh\necho '[uwsgi]'; touch "+w.path("taken-over")+"\n")
	if err := os.Chmod(w.path("v/tenants.ini"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(w.path("v/tenants.ini"), 4001, 4001); err != nil {
		t.Fatal(err)
	}
	w.write("target", ini(serves))
	if err := os.Symlink(w.path("target"), w.path("v/link.ini")); err != nil {
		t.Fatal(err)
	}
	e := w.start("--emperor-extra-extension", ".vassal", "--emperor-magic-exec", "--emperor-nofollow")
	e.running("a.vassal")
	e.await("made.ini", "made by a program")
	e.running("made.ini")
	e.running("link.ini")
	e.await("tenants.ini", "may be executed, but belongs to uid 4001")
	if _, err := os.Stat(w.path("taken-over")); err == nil {
		t.Error("the emperor ran a tenant's program")
	}
	w.write("target", ini("env = A=b", serves))
	w.succeed("rescan")
	e.barrier()
	if n := e.count("link.ini", "-> running"); n != 1 {
		t.Errorf("the link's vassal became running %d times", n)
	}
	if err := os.Symlink(w.path("target"), w.path("new")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(w.path("new"), w.path("v/link.ini")); err != nil {
		t.Fatal(err)
	}
	e.await("link.ini", "-> reloading")
	e.stop(syscall.SIGTERM)
}

// packet returns a packet of uWSGI's protocol.
func packet(words ...string) []byte {
	var body []byte
	for _, word := range words {
		body = append(binary.LittleEndian.AppendUint16(body, uint16(len(word))), word...)
	}
	return append([]byte{0, byte(len(body)), byte(len(body) >> 8), 0}, body...)
}

// Commands arrive as datagrams of uWSGI's, and vassals wait for them.
func TestCommandSocket(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	w.vassal("free.ini", serves)
	address := w.path("commands")
	e := w.start("--emperor-command-socket", address, "--emperor-wait-for-command", "--emperor-wait-for-command-ignore", "free.ini")
	send := func(words ...string) {
		t.Helper()
		c, err := netDial("unixgram", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(packet(words...)); err != nil {
			t.Fatal(err)
		}
	}
	e.running("free.ini")
	e.await("a.ini", "suspended until it is started")
	if info, err := os.Stat(address); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v, %v", info.Mode(), err)
	}
	send("cmd", "spawn", "vassal", "a.ini")
	first := e.running("a.ini")
	send("cmd", "respawn", "vassal", "a.ini")
	if again := e.running("a.ini"); again == first {
		t.Error("the same process is respawned")
	}
	send("cmd", "log", "vassal", "a.ini", "msg", "said by a datagram")
	e.await("a.ini", "said by a datagram")
	send("cmd", "stop", "vassal", "a.ini")
	e.await("a.ini", "stopping -> clearing")
	send("cmd", "fly")
	e.await("", `unknown command \"fly\"`)
	send("cmd", "spawn", "vassal", "nobody.ini")
	e.await("", `there is no vassal \"nobody.ini\"`)
	e.stop(syscall.SIGTERM)
	if _, err := os.Stat(address); err == nil {
		t.Error("the socket is left")
	}
}

// The base of a pattern is the emperor's directory, for its vassals and the templates around
// them, and the names have the pattern's spelling. Each file is one vassal.
func TestPlacesStartAtTheEmperorsDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir -p " + w.path("sites/one") + " " + w.path("sites/.hidden") + " " + w.path("sites/one/near"))
	says := ini("exec-as-root = echo $WORD of %o in $PWD", "http-socket = s/one", "command = sleep 1000000")
	w.write("sites/one/x.ini", says)
	w.write("sites/.hidden/x.ini", says)
	w.write("sites/one/near/x.ini", ini("env = WORD=wrong"))
	w.write("word.ini", ini("env = WORD=template"))
	w.write("sites/one/word.ini", ini("env = WORD=beside"))
	w.write("e.ini", "[uwsgi]\nemperor = ./sites/*/x.ini\nvassals-include = word.ini\n")
	e := w.launch(w.at(w.base, program("emperor"), "--emperor-log-format", "json", "--ini", "e.ini"))
	e.await("./sites/one/x.ini", "template of ./sites/one/x.ini in "+w.base)
	e.running("./sites/one/x.ini")
	if names := w.list(); len(names) != 1 {
		t.Errorf("there are %v", names)
	}
	if _, err := os.Stat(w.path("s/one")); err != nil {
		t.Errorf("a relative socket is elsewhere: %v", err)
	}
	if got := w.succeed("status", "./sites/one/x.ini"); !strings.Contains(got, "running") {
		t.Errorf("status says %q", got)
	}
	out := output(t, w.at(w.base, program("emperor"), "config", "--ini", "e.ini", "sites/one/x.ini"))
	if !strings.Contains(out, "WORD=template") || strings.Contains(out, "beside") {
		t.Errorf("config prints\n%s", out)
	}
	e.stop(syscall.SIGTERM)

	e = w.launch(w.at(w.base, program("emperor"), "--emperor-log-format", "json", "--vassals-include", "word.ini", "sites/one/x.ini", "--emperor", "later.ini"))
	e.await("sites/one/x.ini", "template of sites/one/x.ini in "+w.base)
	pid := e.running("sites/one/x.ini")
	e.await("", "there is no such file yet")
	w.write("later.ini", ini(serves))
	e.running("later.ini")
	w.write("sites/one/x.ini", says+"processes = 2\n")
	e.await("sites/one/x.ini", "reloaded")
	e.undisturbed("sites/one/x.ini", pid)
	w.run("rm " + w.path("later.ini"))
	e.gone("later.ini")
	e.stop(syscall.SIGTERM)
}

// A file on the command line is never the emperor's configuration.
func TestFileIsNoConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("emperor.ini", "[uwsgi]\nemperor = "+w.vassals+"\n")
	e := w.startOver(w.path("emperor.ini"))
	if code := e.wait(); code != 2 {
		t.Errorf("exit code %d", code)
	}
	if want := "emperor.ini has emperor = " + w.vassals + ": use --ini " + w.path("emperor.ini"); !strings.Contains(e.tail(), want) {
		t.Errorf("it says %q, want %q", e.tail(), want)
	}
	w.write("emperor.ini", ini(serves))
	e = w.startOver(w.path("emperor.ini"))
	e.running(w.path("emperor.ini"))
	e.stop(syscall.SIGTERM)
}
