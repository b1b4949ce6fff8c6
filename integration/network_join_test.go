//go:build linux

package integration

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A vassal with the network of another one starts behind it, has its addresses and ports, starts again
// with each new process of it, and stops before it.
func TestJoinedNetwork(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	w.vassal("aide.ini", "network = join:shop", "http-socket = :9090", fmt.Sprintf(pages, w.path("s")), "uid = 4001", "gid = 4001")
	w.site("shop.ini", "network-publish = 8001:9090")
	e := w.start(routedArgs...)
	pid, aide := e.running("shop.ini"), e.running("aide.ini")
	if namespace(t, pid, "net") != namespace(t, aide, "net") || namespace(t, pid, "pid") == namespace(t, aide, "pid") {
		t.Error("they do not share the network alone")
	}
	if got := browse(aide, "127.0.0.1:8080"); got != "a page\n" {
		t.Errorf("by the loopback interface: %q", got)
	}
	if got := browse(far, "198.18.0.1:8001"); got != "a page\n" {
		t.Errorf("the published port of the other: %q", got)
	}
	if a, b := w.attachment("shop").Network.Addresses, w.attachment("aide").Network.Addresses; len(a) == 0 || fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("their addresses are %v and %v", a, b)
	}
	if out := w.succeed("net", "ls"); !strings.Contains(out, "join:shop") {
		t.Errorf("net ls:\n%s", out)
	}
	w.succeed("net", "check")
	_ = syscall.Kill(pid, syscall.SIGKILL)
	e.await("aide.ini", "its network ends")
	e.await("aide.ini", "-> idle")
	w.succeed("start", "--wait", "shop")
	pid = e.running("shop.ini")
	next := e.running("aide.ini")
	if next == aide || namespace(t, pid, "net") != namespace(t, next, "net") {
		t.Error("it did not follow")
	}
	w.succeed("stop", "--wait", "shop")
	if text := w.succeed("status", "aide"); !strings.Contains(text, "it waits for shop.ini, whose network it has") {
		t.Errorf("status:\n%s", text)
	}
	w.succeed("start", "--wait", "shop")
	e.running("shop.ini")
	e.running("aide.ini")
	e.stop(syscall.SIGTERM)
	ended := func(name string) (at string) {
		for line := range strings.Lines(e.about(name)) {
			if strings.Contains(line, "-> clearing") {
				at = line[:strings.Index(line, "level")]
			}
		}
		return at
	}
	if first, last := ended("aide.ini"), ended("shop.ini"); first == "" || first > last {
		t.Errorf("it ended at %s, and its network at %s", first, last)
	}
}

// A network of a vassal that is not there, or in a circle, or of another user, is a mistake with its
// place, for the check and in the emperor that runs.
func TestJoinMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("lone.ini", serves, "network = join:absent")
	w.vassal("one.ini", serves, "network = join:two")
	w.vassal("two.ini", serves, "network = join:one.ini")
	w.vassal("shop.ini", serves)
	w.vassal("tenant.ini", serves, "network = join:shop")
	w.vassal("friend.ini", serves, "network = join:tenants")
	w.vassal("tenants.ini", serves)
	for _, name := range []string{"tenant.ini", "friend.ini", "tenants.ini"} {
		if err := os.Chown(w.vassals+"/"+name, 4001, 4001); err != nil {
			t.Fatal(err)
		}
	}
	w.write("emperor.ini", ini("emperor = "+w.vassals, "emperor-use-clone = pid,uts,net,ipc,fs", "emperor-network = none", "emperor-network-modes = none,join"))
	mistakes := map[string]string{
		"lone.ini": `there is no vassal "absent"`, "one.ini": "in a circle", "two.ini": "in a circle", "tenant.ini": "belongs to another user",
	}
	out, err := w.inside(program("emperor"), "check", "--ini", w.path("emperor.ini"), w.vassals).CombinedOutput()
	for name, text := range mistakes {
		place := name + ":3: network: "
		if err == nil || !strings.Contains(string(out), place) || !strings.Contains(string(out), text) {
			t.Errorf("check: %v, want %s%s\n%s", err, place, text, out)
		}
	}
	if strings.Contains(string(out), "friend.ini:3") {
		t.Errorf("check:\n%s", out)
	}
	e := w.start(allNamespaces, "--emperor-network", "none", "--emperor-network-modes", "none,join")
	e.running("friend.ini")
	for name, text := range mistakes {
		place := name + ":3: network: "
		eventually(t, name+" is a mistake", func() bool {
			status := w.succeed("status", strings.TrimSuffix(name, ".ini"))
			return strings.Contains(status, place) && strings.Contains(strings.Join(strings.Fields(status), " "), text)
		})
	}
	w.vassal("absent.ini", serves)
	e.running("lone.ini")
}
