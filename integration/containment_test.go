//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWritableIsTold: users other than root who can decide about vassals are reported once at
// the start.
func TestWritableIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	w.vassal("b.ini", serves)
	for _, err := range []error{os.Chown(w.vassals+"/a.ini", 4001, 4001), os.Chown(w.vassals, 4002, -1)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	e := w.start(allNamespaces)
	for _, want := range []string{
		w.vassals + ": uid 4002 can put a file there, which runs with the emperor's rights (chown root, chmod go-w)",
		w.vassals + "/a.ini (uid 4001) (chown root, chmod go-w)",
	} {
		if said := e.await("", want); said.Level != "WARN" {
			t.Errorf("it says %s", said.raw)
		}
	}
	e.running("a.ini") // as before: this is a warning
	e.running("b.ini")
	if n := e.count("", "rights"); n != 2 {
		t.Errorf("it is told %d times:\n%s", n, e.tail())
	}
}

// TestWritablePatternIsTold: a directory of a pattern is reported also while no file fits.
func TestWritablePatternIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir -m 777 " + w.path("free"))
	w.run("mkdir -m 755 " + w.path("sites"))
	w.run("mkdir -m 777 " + w.path("sites/a"))
	e := w.start(allNamespaces, "--emperor", "glob://"+w.path("free/*/v.ini"), "--emperor", "glob://"+w.path("sites/*/v.ini"))
	for _, dir := range []string{"free", "sites/a"} {
		if said := e.await("", w.path(dir)+": every user can put a file there"); said.Level != "WARN" {
			t.Errorf("it says %s", said.raw)
		}
	}
}

// TestRootIsSaid: a vassal without a user runs as root, which is reported once in each start
// and shown in the list.
func TestRootIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("silent.ini", serves)
	w.vassal("meant.ini", serves, "uid = root")
	w.vassal("user.ini", serves, "uid = 4001")
	e := w.start(allNamespaces)
	for _, name := range []string{"silent.ini", "meant.ini", "user.ini"} {
		e.running(name)
	}
	table := w.succeed("list")
	for name, user := range map[string]string{"silent.ini": "root", "meant.ini": "root", "user.ini": "(vassal001|4001)"} {
		if !regexp.MustCompile(`(?m)^` + name + ` +running +\S+ +\d+ +` + user + ` `).MatchString(table) {
			t.Errorf("%s does not run as %s:\n%s", name, user, table)
		}
	}
	const told = "uid: missing, so the vassal runs as root"
	if said := e.await("silent.ini", told); said.Level != "WARN" || !strings.Contains(said.raw, w.vassals+"/silent.ini: ") {
		t.Errorf("it says %s", said.raw)
	}
	w.succeed("restart", "silent")
	e.running("silent.ini")
	e.await("silent.ini", told)
	e.barrier()
	if e.count("silent.ini", told) != 2 || e.count("meant.ini", told)+e.count("user.ini", told) != 0 {
		t.Errorf("the log:\n%s", e.tail())
	}
}

// TestRootIsRefused: with emperor-root = refuse no vassal is root without an option in its file,
// whichever process reads the file.
func TestRootIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("user.ini", ini("uid = 4001", "gid = 4001"))
	w.write("other.ini", ini("procname = other"))
	marker := "exec-as-root = echo it boots"
	w.vassal("silent.ini", serves, marker)
	w.vassal("group.ini", serves, marker, "gid = 4001")
	w.vassal("misspelt.ini", serves, marker, "u1d = 4001", "gid = 4001")
	w.vassal("privileged.ini", marker, "privileged-binary-patch-arg = sleep 1000000")
	w.vassal("include.ini", serves, "include = ../other.ini", marker) // only the vassal itself opens it
	w.vassal("meant.ini", serves, "uid = root")
	w.vassal("elsewhere.ini", serves, "include = ../user.ini")
	w.vassal("fallback.ini", "exec-asap = false", "uid = 4001", serves, "fallback-config = "+w.path("fallback.ini"))
	w.write("fallback.ini", ini(serves, marker))
	e := w.start(allNamespaces, "--emperor-root", "refuse")
	e.running("elsewhere.ini")
	pid := e.running("meant.ini")
	for _, name := range []string{"silent.ini", "group.ini", "privileged.ini", "include.ini", "fallback.ini"} {
		if said := e.await(name, "uid: missing, so the vassal runs as root (uid = USER, or uid = root if that is intended)"); said.Level != "ERROR" {
			t.Errorf("%s says %s", name, said.raw)
		}
	}
	e.await("misspelt.ini", "u1d: unknown option, and there is no uid")
	w.vassal("last.ini", serves, "uid = 4001") // all before the emperor has read it
	e.running("last.ini")
	for _, name := range []string{"silent.ini", "group.ini", "misspelt.ini", "privileged.ini", "include.ini", "fallback.ini"} {
		if e.count(name, "it boots")+e.count(name, "-> running") > 0 {
			t.Errorf("%s boots:\n%s", name, e.tail())
		}
	}
	// A mistake in a later edit does not affect a running vassal.
	w.vassal("meant.ini", serves)
	e.await("meant.ini", "the old one keeps running")
	if !alive(pid) {
		t.Error("the old one does not keep running")
	}
}

// TestRootIsRefusedToOthers: the same for programs that replace a vassal.
func TestRootIsRefusedToOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("silent.ini", "socket = 127.0.0.1:0", "master = true")
	w.vassal("user.ini", "socket = 127.0.0.1:0", "master = true", "uid = 4001", "gid = 4001")
	e := w.start(allNamespaces, "--emperor-root", "refuse", "--emperor-wrapper", uwsgi)
	e.running("user.ini")
	e.await("silent.ini", "uid: missing, so the vassal runs as root")
	if e.count("silent.ini", "-> starting") > 0 {
		t.Errorf("it starts:\n%s", e.tail())
	}
}

// TestFilesOfOthers: all vassals work in the directory of all their files. With the modes that
// the documents recommend a vassal can read no file of another, and starts and reloads as
// usual.
func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	look := "command = sh -c 'cat secret.ini; cat own.ini; ls; echo looked in; exec sleep 1000000'"
	w.vassal("secret.ini", serves, "uid = 4002", "env = PASSWORD=hunter2")
	w.vassal("own.ini", look, "uid = 4001", "env = MARK=first")
	for path, mode := range map[string]os.FileMode{"own.ini": 0o600, "secret.ini": 0o600, ".": 0o711} {
		if err := os.Chmod(filepath.Join(w.vassals, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	e := w.start(allNamespaces)
	e.running("own.ini")
	e.running("secret.ini")
	e.await("own.ini", "looked in")
	w.succeed("reload", "--wait", "own") // by a process that cannot read its file
	e.await("own.ini", "looked in")
	if e.count("own.ini", "hunter2")+e.count("own.ini", "MARK") > 0 || e.count("own.ini", "cat: secret.ini: Permission denied") != 2 {
		t.Errorf("the log:\n%s", e.tail())
	}
	if out := w.run(program("emperor") + " check " + w.vassals + " 2>&1"); strings.Contains(out, "every user can read") {
		t.Errorf("check says %s", out)
	}
	if err := os.Chmod(filepath.Join(w.vassals, "secret.ini"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.succeed("reload", "--wait", "own")
	e.await("own.ini", "hunter2") // so it is as under uWSGI
	if out := w.run(program("emperor") + " check " + w.vassals + " 2>&1"); !strings.Contains(out, "secret.ini:4: warning: env: every user can read this file") {
		t.Errorf("check says %s", out)
	}
}
