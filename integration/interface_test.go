//go:build linux

package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The link arrives three seconds late, whether or not the emperor parks its children.
func TestLateInterface(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"hooks", "early"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", "wait-for-interface = late1", "exec-as-root = echo noticed $(date +%%s%%N)", serves)
			e := w.start(allNamespaces, "--emperor-release", release, "--exec-as-emperor", "echo parked until now")
			pid := e.await("a.ini", "-> starting").PID
			time.Sleep(3 * time.Second)
			if e.count("a.ini", "noticed") > 0 {
				t.Fatal("the vassal did not wait")
			}
			arrived := nanoseconds(t, w.run(fmt.Sprintf("ip link add late0 type veth peer name late1; ip link set late1 netns %d; date +%%s%%N", pid)))
			said := e.await("a.ini", "noticed").Msg
			took := nanoseconds(t, strings.Fields(said[strings.Index(said, "noticed"):])[1]).Sub(arrived)
			t.Logf("noticed after %v", took)
			e.running("a.ini")
		})
	}
}

// The hooks of the emperor bring the link while the child is parked, or while the child waits.
func TestInterfaceFromASlowHook(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"hooks", "early"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", "wait-for-iface = late1", "exec-as-root = ip link set late1 up", serves)
			e := w.start(allNamespaces, "--emperor-release", release, "--exec-as-emperor",
				"sleep 1; ip link add late0 type veth peer name late1 netns $UWSGI_VASSAL_PID")
			if out := in(t, e.running("a.ini"), "ip -o link show late1"); !strings.Contains(out, "UP") {
				t.Errorf("the interface is not up: %s", out)
			}
		})
	}
}

func TestMissingInterface(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"hooks", "early"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", "wait-for-interface = lo", "wait-for-interface = never0", "wait-for-interface-timeout = 1", serves)
			e := w.start(allNamespaces, "--emperor-release", release, "--exec-as-emperor",
				"ip link add other0 type veth peer name other1 netns $UWSGI_VASSAL_PID")
			started := e.await("a.ini", "-> starting").Time
			said := e.await("a.ini", "never0")
			if took := said.Time.Sub(started); took < 700*time.Millisecond || took > 5*time.Second {
				t.Errorf("it waited %v, want 1s", took)
			}
			if !strings.Contains(said.Msg, "lo (down), other1 (down)") {
				t.Errorf("the message does not list the interfaces that are there: %s", said.Msg)
			}
			e.await("a.ini", "exit status 1")
			e.await("a.ini", "-> backoff")
			if e.count("a.ini", "-> running") > 0 {
				t.Error("the vassal came up without its interface")
			}
		})
	}
}

func nanoseconds(t *testing.T, text string) time.Time {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(0, n)
}

// A vassal that waits for an address starts its hooks when the interface can be used, and
// finds it by an alternative name too.
func TestInterfaceThatCanBeUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "wait-for-interface = uplink-of-the-vassal:address", "exec-as-root = ip -o -4 address show late1", serves)
	e := w.start(allNamespaces, "--emperor-release", "early", "--exec-as-emperor", strings.Join([]string{
		"ip link add late0 type veth peer name late1 netns $UWSGI_VASSAL_PID && ip link set late0 up",
		"inside='nsenter -n -t '$UWSGI_VASSAL_PID",
		"$inside ip link property add dev late1 altname uplink-of-the-vassal",
		"$inside ip link set late1 up",
		"$inside ip address add 192.0.2.7/24 dev late1",
	}, " && "))
	e.running("a.ini")
	e.await("a.ini", "192.0.2.7/24")
}

// Without a network namespace the interface is the host's, and the emperor warns.
func TestInterfaceOfTheHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "wait-for-interface = lo", serves)
	e := w.start("--emperor-use-clone", "pid,uts")
	e.await("a.ini", "would be an interface of the host")
	e.running("a.ini")
}
