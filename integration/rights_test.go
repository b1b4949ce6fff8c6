//go:build linux

package integration

import (
	"strings"
	"syscall"
	"testing"
)

// An emperor that is not root first reports that, and its remaining functions.
func TestNotRootIsToldFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args        []string
		level, want string
		works       bool
	}{
		{nil, "INFO", "not root: vassals run as this user, without uid, gid and ports below 1024, and without a cgroup", true},
		{[]string{"--emperor-use-clone", "net,pid"}, "WARN", "not root: no vassal can start in these namespaces (add user to emperor-use-clone, or start the emperor as root)", true},
		{[]string{"--emperor-use-clone", "user,net"}, "INFO", "not root: vassals run as this user", true},
		{[]string{"--uid", "4002", "--runtime-dir", "/no/such/dir/r"}, "WARN", "not root: the emperor cannot become another user", false},
	} {
		w := newWorld(t)
		e := w.launch(w.asUser(append(c.args, w.vassals)...))
		first := e.await("", "")
		if first.Level != c.level || !strings.HasPrefix(first.Msg, c.want) {
			t.Errorf("%v: it says first: %s", c.args, first.raw)
		}
		if !c.works {
			e.wait()
			continue
		}
		e.await("", "is watching")
		e.stop(syscall.SIGTERM)
	}
}

// The list has the files that are passed over because a vassal has their name.
func TestListShowsPassedOverFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.dir("other", "page")
	w.vassal("a.ini", serves)
	w.write("other/a.ini", ini(serves))
	e := w.start(other)
	e.running("a.ini")
	eventually(t, "the list names the other file", func() bool {
		text := w.succeed("list")
		return strings.Contains(text, "passed over: "+other+"/a.ini\n") || strings.Contains(text, "passed over: "+w.vassals+"/a.ini\n")
	})
}

// An error of the boot is in the emperor's log also when the vassal has a log of its own.
func TestErrorsOfTheBootAreInBothLogs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "logger = file:"+w.path("s/log"), "exec-as-root = echo only in the file", "http-socket = /no/such/dir/s", "command = sleep 1000000")
	e := w.start(allNamespaces)
	e.await("a.ini", "cannot listen on http-socket")
	eventually(t, "the file has it as well", func() bool {
		text := w.read("s/log")
		return strings.Contains(text, "cannot listen on http-socket") && strings.Contains(text, "only in the file")
	})
	if n := e.count("a.ini", "only in the file"); n > 0 {
		t.Error("the emperor's log has the other lines too")
	}
}
