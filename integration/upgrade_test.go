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

// upgrade puts programs of another build in the places of all programs below bin and libexec, as a package
// does, by rename: another emperor, and traps that record that they were run.
func (w *world) upgrade(prefix string) {
	w.t.Helper()
	another := exec.Command("go", "build", "-o", w.path("another"), "-ldflags", "-X github.com/emperor-go/emperor/internal/version.commit=abcdef", "../cmd/emperor")
	another.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := another.CombinedOutput(); err != nil {
		w.t.Fatalf("go build: %v\n%s", err, out)
	}
	programs, err := filepath.Glob(filepath.Join(prefix, "*/*"))
	libexec, _ := filepath.Glob(filepath.Join(prefix, "libexec/emperor/*"))
	if err != nil || len(libexec) != 5 {
		w.t.Fatalf("%d programs in libexec, %v", len(libexec), err)
	}
	for _, path := range append(programs, libexec...) {
		if info, err := os.Stat(path); err != nil || info.IsDir() {
			continue
		}
		next := path + ".new"
		if filepath.Base(path) == "emperor" {
			err = os.Rename(w.path("another"), next)
		} else {
			err = os.WriteFile(next, []byte("#!/bin/sh\n>"+w.path("trapped-"+filepath.Base(path))+"\nexit 99\n"), 0o755)
		}
		if err == nil {
			err = os.Rename(next, path)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// Programs that are replaced under a running emperor are not run before it starts again: restarts,
// reloads and new vassals, the server, the reader of YAML, terminals, names, fallbacks, C functions and
// hooks inside use the programs of its start. Commands say that the versions differ.
func TestReplacedPrograms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.resolves("nameserver 192.0.2.53\n")
	prefix := w.path("prefix")
	if out, err := exec.Command("make", "-C", "..", "-o", "build", "install", "BIN="+os.Getenv(binEnv), "PREFIX="+prefix).CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	// A tenant cannot enter the directory of the programs.
	if err := os.Chmod(prefix, 0o700); err != nil {
		t.Fatal(err)
	}
	w.write("page", "seen")
	socket := w.path("s/web")
	tenant := []string{"uid = 4001", "gid = 4001"}
	w.vassal("web.ini", append(tenant, "http-socket = "+socket, "static-map = /page="+w.path("page"))...)
	w.vassal("shared.ini", append(tenant, "pty-socket = @replaced", "env = PS1=ready>", "env = ENV=", "stop-signal = HUP", "command = /bin/sh -i")...)
	w.vassal("direct.ini", append(tenant, "unprivileged-binary-patch-arg = /bin/sleep 1000000")...)
	emperor := filepath.Join(prefix, "bin/emperor")
	e := w.launch(w.inside(emperor, "--emperor-log-format", "json", allNamespaces, "--emperor-network", "routed", "--emperor-network-dns", "names",
		"--hook-as-emperor-setns", "uts exec:hostname inside", w.vassals))
	before := map[string]int{}
	for _, name := range []string{"web.ini", "shared.ini", "direct.ini"} {
		before[name] = e.running(name)
	}
	if out := output(t, w.inside(emperor, "list")); strings.Contains(out, "version") {
		t.Errorf("before the upgrade: %s", out)
	}

	w.upgrade(prefix)

	for _, name := range []string{"web.ini", "shared.ini", "direct.ini"} {
		if err := syscall.Kill(before[name], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		e.running(name)
	}
	w.vassal("web.ini", append(tenant, "http-socket = "+socket, "static-map = /page="+w.path("page"), "processes = 2")...)
	e.running("web.ini") // a master is a new process
	if got := get(t, socket, "GET", "/page", nil); got.status != 200 || got.body != "seen" {
		t.Errorf("answered %d %q", got.status, got.body)
	}
	w.write("v/read.yaml", "uwsgi:\n  uid: 4001\n  gid: 4001\n  command: sh -c 'echo read from yaml on $(uname -n); exec sleep 1000000'\n")
	e.await("read.yaml", "read from yaml on inside")
	w.write("good", "[uwsgi]\nuid = 4001\ngid = 4001\nhttp-socket = "+socket+"2\nstatic-map = /page="+w.path("page")+"\n")
	w.vassal("fallen.ini", append(tenant, "command = /no/such/program", "fallback-config = "+w.path("good"))...)
	e.running("fallen.ini")
	if got := get(t, socket+"2", "GET", "/page", nil); got.status != 200 {
		t.Errorf("the fallback answered %d", got.status)
	}
	w.vassal("native.ini", append(tenant, "hook-as-user = call:getpid", "command = sleep 1000000")...)
	e.running("native.ini")
	s := sit(t, w.inside(program("emperor"), "attach", "shared")) // the client's helper is of its own build
	s.expect("ready>")
	s.write("\x1d")
	s.expect("Detached.")
	dead := e.responder()
	if err := syscall.Kill(dead, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "names are answered again", func() bool { now := e.responder(); return now != 0 && now != dead })

	for _, args := range [][]string{{"list"}, {"status"}} {
		if out := output(t, w.inside("sh", "-c", emperor+" "+args[0]+" 2>&1")); !strings.Contains(out, "note: the running emperor is version ") || !strings.Contains(out, "abcdef") {
			t.Errorf("emperor %s says %s", args[0], out)
		}
	}
	if out := output(t, w.inside(emperor, "--version")); !strings.Contains(out, "(abcdef)\nrunning: emperor ") {
		t.Errorf("emperor --version says %s", out)
	}
	if trapped, _ := filepath.Glob(w.path("trapped-*")); len(trapped) > 0 {
		t.Errorf("run after the upgrade: %q", trapped)
	}
	e.stop(syscall.SIGTERM)
}
