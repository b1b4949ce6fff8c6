//go:build linux

package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// A mistake that only shows when an option is used names its line all the same.
func TestMistakesOfTheBootNameTheirLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("taken", "no socket")
	e := w.start("--emperor-use-clone=uts,net,fs")
	n := 0
	for option, want := range map[string]string{
		"uid = nobody-here":                                         `uid: there is no user "nobody-here"`,
		"gid = nobody-here":                                         `gid: there is no group "nobody-here"`,
		"uid = nobody-here\nruntime-directory = story":              `uid: there is no user "nobody-here"`,
		"add-gid = nobody-here\nuid = 4001":                         `add-gid: there is no group "nobody-here"`,
		"chown-socket = nobody-here\nsocket = @story":               `chown-socket: cannot choose the owner of sockets: there is no user "nobody-here"`,
		"http-socket = /no/such/dir/s":                              `http-socket: cannot listen on http-socket "/no/such/dir/s": no such file or directory`,
		"https-socket = /no/such/dir/s,cert,key":                    `https-socket: cannot listen on https-socket "/no/such/dir/s": no such file or directory`,
		"shared-socket = " + w.path("taken"):                        `shared-socket: cannot listen on shared-socket`,
		"pty-socket = /no/such/dir/s":                               `pty-socket: cannot listen on pty-socket`,
		"pidfile = /no/such/dir/p":                                  "pidfile: cannot write pid file",
		"pidfile2 = /no/such/dir/p":                                 "pidfile2: cannot write pid file",
		"chdir = /no/such/dir":                                      "chdir: cannot enter working directory",
		"cwd = /no/such/dir":                                        "cwd: cannot enter working directory",
		"envdir = /no/such/dir":                                     "envdir: cannot use envdir",
		"exec-as-root = exit 3":                                     "hook as-root #1 (exec: exit 3): exit status 3",
		"wait-for-interface = nix0\nwait-for-interface-timeout = 1": "wait-for-interface: after 1s there is no interface",
		"wait-for-file = /no/such\nwait-for-file-timeout = 1":       `wait-for-file: after`,
		"unprivileged-binary-patch = /no/such/program":              `unprivileged-binary-patch: cannot become "/no/such/program"`,
		"worker-exec = /no/such/program":                            `worker-exec: cannot run "/no/such/program"`,
		"command = /no/such/program":                                `command: cannot run "/no/such/program"`,
	} {
		n++
		name := fmt.Sprintf("v%d.ini", n)
		serve := serves
		if strings.Contains(want, "/no/such/program") {
			serve = ""
		}
		w.vassal(name, "umask = 022", option, serve)
		said := e.await(name, ".ini:3: ")
		if strings.Contains(said.Msg, "of the host") { // a warning, before it is tried
			said = e.await(name, ".ini:3: ")
		}
		if !strings.Contains(said.Msg, name+":3: "+want) {
			t.Errorf("%s: it says %s", option, said.Msg)
		}
		w.remove(name)
		e.gone(name)
	}
}

// A program on a file system that is mounted noexec is named with the remedy, by check and
// at run time.
func TestProgramOnNoexecIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := w.path("noexec")
	w.run("mkdir " + dir + " && mount -t tmpfs -o noexec tmpfs " + dir + " && printf '#!/bin/sh\\nexec sleep 1000000\\n' >" + dir + "/run && chmod 755 " + dir + "/run")
	w.vassal("a.ini", "command = "+dir+"/run")
	w.vassal("b.ini", "attach-daemon = "+dir+"/run", serves)
	const want = `/run" is on a file system that is mounted noexec (move it elsewhere, or give its interpreter and the path) [command-missing]`
	if out := w.succeed("check", w.path("v/a.ini"), w.path("v/b.ini")); strings.Count(out, want) != 2 {
		t.Errorf("check says\n%s", out)
	}
	e := w.start()
	e.await("a.ini", "it is on a file system that is mounted noexec (move it elsewhere")
	e.stop(syscall.SIGTERM)
	w.run("umount " + dir)
}
