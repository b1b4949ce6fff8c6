//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// beside runs one story of bad input: a neighbour runs as the same process before and after
// it, and the emperor still works.
func beside(t *testing.T, tell func(w *world, e *emperor)) {
	t.Helper()
	t.Parallel()
	w := newWorld(t)
	w.vassal("neighbour.ini", serves)
	e := w.start(allNamespaces, "--exec-as-emperor", `echo its hook; printf %s "$UWSGI_VASSAL_CONFIG" >`+w.path("seen"))
	pid := e.running("neighbour.ini")
	tell(w, e)
	e.barrier()
	if !alive(pid) || e.count("neighbour.ini", "-> running") != 1 {
		t.Errorf("the neighbour did not keep running:\n%s", e.tail())
	}
}

// quoted returns text as it stands in a line of JSON.
func quoted(text string) string { return strings.ReplaceAll(text, `"`, `\"`) }

func TestBadContent(t *testing.T) {
	t.Parallel()
	const asRoot = "exec-as-root = echo it boots"
	for name, tt := range map[string]struct{ text, want string }{
		"not an ini at all": {"\x7fELF\x02\x01\x01" + strings.Repeat("garbage\xff\xfe\n", 100), "bad.ini"},
		"a shell script":    {"#!/bin/sh\nrm -rf /\n", "bad.ini"},
		"empty":             {"", "bad.ini"},
		"10 MB":             {ini(serves) + strings.Repeat("# padding\n", 1<<20), "is larger than 1048576 bytes"},
		"NUL bytes":         {ini(serves, asRoot+"\x00"), "NUL byte"},
		"unknown section":   {"[apache]\n" + serves + "\n", "apache"},
		"duplicate uid":     {ini(serves, asRoot, "uid = 4001", "uid = 4002", "gid = 4001"), "bad.ini:5: uid"},
		"uid = 0day":        {ini(serves, asRoot, "uid = 0day", "gid = 4001"), "0day"},
		"uid = 0x0":         {ini(serves, asRoot, "uid = 0x0", "gid = 4001"), "0x0"},
		"uid = -1":          {ini(serves, asRoot, "uid = -1", "gid = 4001"), "-1"},
		"uid too large":     {ini(serves, asRoot, "uid = 4294967295", "gid = 4001"), "4294967295"},
		"uid over 32 bits":  {ini(serves, asRoot, "uid = 4294967296", "gid = 4001"), "4294967296"},
		"uid without value": {ini(serves, asRoot, "uid =", "gid = 4001"), "uid"},
		"gid = -1":          {ini(serves, asRoot, "uid = 4001", "gid = -1"), "-1"},
		"a bad interface":   {ini(serves, "wait-for-interface = a/b"), "a/b"},
		"open quote":        {ini("command = sleep 'forever"), "command"},
	} {
		t.Run(name, func(t *testing.T) {
			beside(t, func(w *world, e *emperor) {
				w.write("v/bad.ini", tt.text)
				said := e.await("bad.ini", quoted(tt.want))
				if said.Level != "ERROR" {
					t.Errorf("the log says %s", said.raw)
				}
				if e.count("bad.ini", "it boots") > 0 || e.count("bad.ini", "-> running") > 0 || e.count("bad.ini", "its hook") > 0 {
					t.Errorf("it was started:\n%s", e.tail())
				}
				e.vassal("bad.ini", serves) // and once it is good
				e.running("bad.ini")
			})
		})
	}
}

// An edit with an error leaves the vassal unchanged.
func TestBadEditKeepsTheOldGeneration(t *testing.T) {
	beside(t, func(_ *world, e *emperor) {
		e.vassal("a.ini", serves)
		pid := e.running("a.ini")
		e.vassal("a.ini", serves, "uid = 0day")
		e.await("a.ini", "the old one keeps running")
		e.barrier()
		if !alive(pid) {
			t.Error("the old one does not keep running")
		}
		e.vassal("a.ini", serves, "exec-as-root = true")
		e.running("a.ini")
	})
}

func TestThingsThatAreNoFiles(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		create func(path string) error
		want   string
	}{
		"FIFO":          {func(path string) error { return syscall.Mkfifo(path, 0o644) }, "is a FIFO"},
		"directory":     {func(path string) error { return os.Mkdir(path, 0o755) }, "is a directory"},
		"device":        {func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o644, 1<<8|5) }, "is a device"},
		"dangling link": {func(path string) error { return os.Symlink("/no/such/file", path) }, "is a symbolic link to a missing file"},
		"link in a ring": {func(path string) error {
			return os.Symlink(path, path)
		}, "too many levels of symbolic links"},
		"link to a directory": {func(path string) error { return os.Symlink("/", path) }, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			beside(t, func(w *world, e *emperor) {
				if err := tt.create(filepath.Join(w.vassals, "bad.ini")); err != nil {
					t.Fatal(err)
				}
				e.await("bad.ini", tt.want)
				e.remove("bad.ini")
				e.gone("bad.ini")
			})
		})
	}
}

// Root can read everything, so this emperor runs as another user.
func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("neighbour.ini", serves)
	w.vassal("bad.ini", serves)
	path := filepath.Join(w.vassals, "bad.ini")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	e := w.launch(w.asUser(w.vassals))
	pid := e.running("neighbour.ini")
	e.await("bad.ini", "permission denied")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	e.running("bad.ini")
	if e.barrier(); !alive(pid) {
		t.Error("the neighbour did not keep running")
	}
}

// Hooks get a file's name unchanged, in the environment and nowhere else.
func TestNamesThatAreTraps(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"spaces":            "a b  c.ini",
		"quotes":            `a"b'c.ini`,
		"newline":           "a\nb.ini",
		"command":           "$(touch pwned).ini",
		"backquotes":        "`touch pwned`.ini",
		"semicolon":         ";touch pwned;.ini",
		"leading dash":      "--uid=0.ini",
		"percent":           "%n%(uid)%%.ini",
		"at sign":           "@(pwned).ini",
		"non-UTF-8":         "a\xff\xfeb.ini",
		"escape":            "a\x1b[31mb.ini",
		"254 bytes":         strings.Repeat("n", 250) + ".ini",
		"254 bytes, no tag": strings.Repeat("\x01", 250) + ".ini",
	} {
		t.Run(name, func(t *testing.T) {
			beside(t, func(w *world, e *emperor) {
				w.vassal(file, "uid = 4001", "gid = 4001", serves)
				logged := string([]rune(file)) // JSON replaces bytes that are not UTF-8 by a character
				pid := e.running(logged)
				if got := status(t, pid, "Uid"); got != "4001 4001 4001 4001" {
					t.Errorf("it runs as %s", got)
				}
				if seen, err := os.ReadFile(w.path("seen")); string(seen) != file {
					t.Errorf("its hook saw %q (%v), want %q", seen, err, file)
				}
				for _, dir := range []string{w.vassals, w.base, "/"} {
					if _, err := os.Lstat(filepath.Join(dir, "pwned")); err == nil {
						t.Errorf("its name was executed in %s", dir)
					}
				}
				e.remove(file)
				e.gone(logged)
			})
		})
	}
}

func TestNameOf255Bytes(t *testing.T) {
	beside(t, func(w *world, e *emperor) {
		file := strings.Repeat("n", 251) + ".ini"
		w.vassal(file, serves)
		e.await(file, "its name is longer than 254 bytes")
		if e.count(file, "-> running") > 0 {
			t.Error("it runs")
		}
	})
}
