//go:build linux

package integration

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// forker returns the pid of the process that forks for an emperor, or 0.
func (e *emperor) forker() int {
	for _, pid := range children(e.pid()) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if name, _, _ := strings.Cut(string(line), "\x00"); name == "vassal-forker" {
			return pid
		}
	}
	return 0
}

// A program finds the same inside, whether the vassal program has booted it or a list of system
// calls: ids, limits, signals, capabilities, descriptors, variables, mounts, namespaces and the
// place in a session and a cgroup.
func TestBothBootsGiveTheSame(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{
		"all namespaces": {allNamespaces}, "no pid namespace": {"--emperor-use-clone=uts,net,fs"}, "no mounts": {"--emperor-use-clone=pid,net"},
		"a limit of capabilities": {allNamespaces, "--emperor-cap=chown,net_bind_service,setgid,sys_resource"},
		"capabilities":            {allNamespaces, "--emperor-cap=chown,net_bind_service,setgid,setuid,setpcap"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			show := func(who string) string {
				return "unprivileged-binary-patch-arg = sh -c 'exec >" + w.path("s/"+who) + ".new; grep -Ev \"ctxt|^Vm|^Rss|Pid:|^Tgid|^NS|^Hugetlb|^Sig[Q]\" /proc/self/status; " +
					"cat /proc/self/limits /proc/self/oom_score_adj; env | grep -v NOTIFY_SOCKET | sort; ls /proc/self/fd; grep -v \" /proc/\" /proc/self/mountinfo | grep -vc \" /sys/firmware \"; wc -l </proc/net/dev; pwd; umask; " +
					"test -S $NOTIFY_SOCKET && echo notified; ls -ln " + w.path("s/"+who) + ".socket | cut -d\" \" -f1,3,4; cut -d\" \" -f4-6 /proc/self/stat | tr -s 0-9 n; readlink /proc/self/fd/0; mv " + w.path("s/"+who) + ".new " + w.path("s/"+who) + "; exec sleep 1000000'"
			}
			same := []string{"uid = 4001", "gid = 4002", "add-gid = 4003", "no-new-privileges = true", "limit-core = 0", "limit-nofile = 300:400", "limit-nproc = 900", "umask = 027", "chdir = /usr", "env = OWN=yes"}
			if name == "capabilities" {
				same = append(same, "cap = net_bind_service,chown", "cwd = /var", "fastcgi-socket = :81")
				same[slices.Index(same, "chdir = /usr")] = "chdir = lib"
			}
			sockets := func(string) string { return "" }
			if strings.Contains(options[0], "pid") { // the list knows the pid
				sockets = func(who string) string { return "socket = " + w.path("s/"+who) + ".socket" }
				same = append(same, "http-socket = [::]:8085", "socket = :8085", "fastcgi-socket = @direct", "chmod-socket = 640", "chown-socket = 4001:4003")
			}
			w.vassal("list.ini", append(slices.Clone(same), sockets("list"), show("list"))...)
			w.vassal("program.ini", append(slices.Clone(same), sockets("program"), show("program"), "exec-as-root = true")...)
			e := w.start(options...)
			e.running("list.ini")
			e.running("program.ini")
			if e.forker() == 0 {
				t.Error("no process forks")
			}
			list, program := strings.Split(w.shown("list"), "\n"), strings.Split(w.shown("program"), "\n")
			if len(list) != len(program) {
				t.Errorf("by the list:\n%q\nby the program:\n%q", list, program)
			}
			for i := range min(len(list), len(program)) {
				if list[i] != program[i] {
					t.Errorf("by the list %q, by the program %q", list[i], program[i])
				}
			}
			if out, err := w.entered("list", "id", "-u").CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "4001" {
				t.Errorf("inside the user is %q: %v", out, err)
			}
			e.stop(syscall.SIGTERM)
		})
	}
}

// A vassal with a network of its own finds the same inside after both boots: its variables, its files of names, and its
// address, to which its sockets are bound.
func TestBothBootsGiveTheSameNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := map[string]string{"list": "10.142.0.10", "program": "10.142.0.11", "server": "10.142.0.12"}
	user := func(who string) []string {
		return []string{"uid = 4001", "gid = 4001", "network-address = " + own[who], "http-socket = " + own[who] + ":8085"}
	}
	show := func(who string) string {
		at := w.path("s/" + who)
		return "unprivileged-binary-patch-arg = sh -c 'exec >" + at + ".new; env | grep ^UWSGI_VASSAL_ | sort; cat /etc/resolv.conf; grep " + who + " /etc/hosts; " +
			"grep -E \" /etc/(hosts|resolv.conf) \" /proc/self/mountinfo | cut -d\" \" -f6; mv " + at + ".new " + at + "; exec sleep 1000000'"
	}
	w.vassal("list.ini", append(user("list"), show("list"))...)
	w.vassal("program.ini", append(user("program"), show("program"), "exec-as-root = true")...)
	w.vassal("server.ini", append(user("server"), fmt.Sprintf(pages, w.path("s")))...)
	w.write("s/page", "a page\n")
	e := w.start(append(routedArgs, "--emperor-network-dns", "names")...)
	e.await("list.ini", "listening http-socket="+own["list"]+":8085") // its words differ from the vassal program's
	e.await("server.ini", "listening http-socket="+own["server"]+":8085")
	e.running("list.ini")
	e.running("server.ini")
	e.running("program.ini")
	shown := map[string]string{}
	for _, who := range []string{"list", "program"} {
		n := w.attachment(who).Network
		shown[who] = strings.NewReplacer(n.Host, "HOST", n.Addresses[0].String()+"\n", "ADDRESS\n", n.Addresses[0].String()+"\t", "ADDRESS\t",
			n.Addresses[0].String()+" ", "ADDRESS ", n.Addresses[1].String(), "ADDRESS6", who, "NAME").Replace(w.shown(who))
	}
	if shown["list"] != shown["program"] {
		t.Errorf("by the list:\n%s\nby the program:\n%s", shown["list"], shown["program"])
	}
	for _, part := range []string{"UWSGI_VASSAL_ADDRESS=ADDRESS\n", "_ADDRESS6=ADDRESS6\n", "_HOST_INTERFACE=HOST\n", "_INTERFACE=eth0\n", "nameserver 10.142.0.1\n", "ro,nosuid,nodev,noexec"} {
		if !strings.Contains(shown["list"], part) {
			t.Errorf("%q is missing in %s", part, shown["list"])
		}
	}
	if got := browse(w.holder.Process.Pid, own["server"]+":8085"); got != "a page\n" {
		t.Errorf("the built-in server: %q", got)
	}
	e.stop(syscall.SIGTERM)
}

// The process that forks is killed, and stopped: vassals live on, and new ones start.
func TestForkerDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	options := []string{"uid = 4001", "gid = 4001", "unprivileged-binary-patch-arg = sleep 1000000"}
	w.vassal("a.ini", options...)
	e := w.start(allNamespaces)
	first := e.running("a.ini")
	for i, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGSTOP} {
		before := e.forker()
		if err := syscall.Kill(before, s); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("b%d.ini", i)
		w.vassal(name, options...)
		e.running(name)
		w.vassal("c"+name, options...) // a stopped one is noticed by its silence, and another replaces it
		e.running("c" + name)
		eventually(t, "another process forks", func() bool { now := e.forker(); return now != 0 && now != before })
	}
	for _, pid := range children(e.pid()) {
		if !alive(pid) {
			t.Errorf("process %d is dead and not reaped", pid)
		}
	}
	e.undisturbed("a.ini", first)
	e.stop(syscall.SIGTERM)
}

// A child that is parked for a hook of the emperor ends with its launch, and one whose emperor is
// killed dies with it.
func TestParkedWithoutAProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "unprivileged-binary-patch-arg = sh -c 'touch "+w.path("s/ran")+"; exec sleep 1000000'")
	e := w.start(allNamespaces, "--exec-as-emperor", "touch "+w.path("s/hook")+"; while test ! -e "+w.path("s/go")+"; do sleep 0.02; done")
	there := func(name string) bool { _, err := os.Stat(w.path("s/" + name)); return err == nil }
	eventually(t, "the hook runs", func() bool { return there("hook") })
	time.Sleep(50 * time.Millisecond)
	if there("ran") {
		t.Error("the program ran before the hook of the emperor had ended")
	}
	e.signal(syscall.SIGKILL)
	w.write("s/go", "")
	eventually(t, "all is gone", func() bool { return len(w.processes()) == 0 })
	if there("ran") {
		t.Error("the program ran without an emperor")
	}
	second := w.start(allNamespaces) // also removes what the first one has left
	second.running("a.ini")
	second.stop(syscall.SIGTERM)
}

// The sockets of a boot by system calls reach the program, replace sockets of a killed generation, and
// leave a socket alone on which a process listens.
func TestSocketsOfADirectBoot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, busy := w.path("s/one"), w.path("s/busy")
	l, err := net.Listen("unix", busy)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w.run("chmod 666 " + busy)
	application := []string{"uid = 4001", "gid = 4001", "env = " + roleEnv + "=application", "unprivileged-binary-patch = " + storyProgram}
	w.vassal("a.ini", append(application, "http-socket = "+one, "socket = 127.0.0.1:8080")...)
	w.vassal("b.ini", append(application, "socket = "+busy)...)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	e.await("a.ini", "listening http-socket="+one)
	said := ask(t, one)
	if said.ListenFDs != "2" || said.ListenPID != "1" || said.PID != 1 || said.ListenNames != "http-socket:socket" {
		t.Errorf("%+v", said)
	}
	if e.forker() == 0 {
		t.Error("no process forks")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e.running("a.ini")
	ask(t, one)
	e.await("b.ini", "address already in use by a running process")
	e.stop(syscall.SIGTERM)
	if _, err := net.Dial("unix", busy); err != nil {
		t.Errorf("the socket of another process: %v", err)
	}
}

// A call that fails is reported as the vassal program does, with the line of the option.
func TestDirectBootFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir -m 700 " + w.path("s/closed"))
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "chdir = "+w.path("s/closed"), "unprivileged-binary-patch-arg = sleep 1000000")
	w.run("printf '#!/bin/sh\\nexec sleep 1000000\\n' >" + w.path("s/own") + "; chmod 700 " + w.path("s/own"))
	w.vassal("b.ini", "uid = 4001", "gid = 4001", "unprivileged-binary-patch-arg = "+w.path("s/own"))
	e := w.start(allNamespaces)
	e.await("a.ini", "a.ini:4: chdir: cannot enter working directory")
	e.await("a.ini", "exit status 1")
	e.await("b.ini", "b.ini:4: unprivileged-binary-patch-arg: cannot become")
	out, _ := w.command("status", "a.ini")
	if !strings.Contains(out, "cannot enter working directory") {
		t.Errorf("the status has no reason: %s", out)
	}
	e.stop(syscall.SIGTERM)
}
