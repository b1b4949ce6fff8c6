//go:build linux

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Of an installation only emperor and vassal are in PATH. They find the server, the reader of YAML
// and the program of terminals in libexec, also for a vassal that is not root and in namespaces.
// No program in PATH with such a name is ever run, neither of the emperor's PATH nor of a
// vassal's.
func TestInstalledHelpers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	prefix, traps := w.path("prefix"), w.path("traps")
	install := exec.Command("make", "-C", "..", "-o", "build", "install", "BIN="+os.Getenv(binEnv), "PREFIX="+prefix)
	if err := os.MkdirAll(filepath.Join(prefix, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("prefix/bin/vassal-server", "#!/bin/sh\necho of an earlier version\n") // it is removed
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	if left := files(filepath.Join(prefix, "bin")); strings.Join(left, " ") != " /emperor /vassal" {
		t.Errorf("commands: %q", left)
	}
	if err := os.Mkdir(traps, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vassal", "vassal-server", "vassal-helper", "vassal-parse", "vassal-pty", "vassal-native"} {
		w.write("traps/"+name, "#!/bin/sh\n>"+w.path("trapped-"+name)+"\n")
		if err := os.Chmod(filepath.Join(traps, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tenant := []string{"uid = 4001", "gid = 4001", "env = PATH=" + traps + ":/usr/bin:/bin"}
	w.write("page", "seen")
	socket := w.path("s/web")
	w.vassal("web.ini", append(tenant, "http-socket = "+socket, "static-map = /page="+w.path("page"))...)
	w.write("v/read.yaml", "uwsgi:\n  uid: 4001\n  gid: 4001\n  command: sh -c 'echo read from yaml; exec sleep 1000000'\n")
	w.vassal("shared.ini", append(tenant, "pty-socket = @story", "env = PS1=ready>", "env = ENV=", "stop-signal = HUP", "command = /bin/sh -i")...)
	emperor := filepath.Join(prefix, "bin/emperor")
	start := w.inside("env", "PATH="+traps+":"+os.Getenv("PATH"), emperor, "--emperor-log-format", "json", allNamespaces, w.vassals)
	e := w.launch(start)
	for _, name := range []string{"web.ini", "read.yaml", "shared.ini"} {
		e.running(name)
	}
	e.await("read.yaml", "read from yaml")
	if got := get(t, socket, "GET", "/page", nil); got.status != 200 || got.body != "seen" {
		t.Errorf("answered %d %q", got.status, got.body)
	}
	s := sit(t, w.inside(emperor, "attach", "shared"))
	s.expect("ready>")
	s.write("\x1d")
	s.expect("Detached.")
	e.stop(syscall.SIGTERM)
	if trapped, _ := filepath.Glob(w.path("trapped-*")); len(trapped) > 0 {
		t.Errorf("programs in PATH were run: %q", trapped)
	}
}
