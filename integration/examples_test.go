//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// example returns the text of an example with pairs of strings replaced.
func example(t *testing.T, path string, replace ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "examples", path))
	if err != nil {
		t.Fatal(err)
	}
	for old := range slices.Chunk(replace, 2) {
		if !strings.Contains(string(text), old[0]) {
			t.Fatalf("examples/%s does not hold %q", path, old[0])
		}
	}
	return strings.NewReplacer(replace...).Replace(string(text))
}

// The recipe of the uWSGI 1.9.15 release notes, unchanged.
func TestVethRecipe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.Mkdir(w.path("www"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("www/index.html", "served from inside")
	w.write("emperor.ini", example(t, "veth/emperor.ini", "/etc/uwsgi/vassals", w.vassals))
	w.write("v/vassal001.ini", example(t, "veth/vassal001.ini", "/srv/vassal001", w.path("www")))
	e := w.startOver("--ini", w.path("emperor.ini"))
	failed := e.await("vassal001.ini", "hook failed") // there is no veth0 yet
	if failed.Error != "exit status 1" {
		t.Errorf("the first hook failed with %q, want exit status 1", failed.Error)
	}
	macs := map[string]bool{}
	// The second round has a link from before.
	for _, generation := range []int{1, 2} {
		pid := e.running("vassal001.ini")
		w.run("ip addr add 192.168.0.1/24 dev veth0 && ip link set veth0 up")
		if got := w.run("curl -sS --retry 5 --retry-connrefused http://192.168.0.101:8080/"); got != "served from inside" {
			t.Errorf("generation %d answers %q", generation, got)
		}
		if got := w.run("cd /proc/sys/net && cat ipv6/conf/veth0/accept_ra ipv4/conf/veth0/rp_filter | xargs"); got != "0 1" {
			t.Errorf("the host's end has accept_ra and rp_filter %s", got)
		}
		macs[in(t, pid, "ip -o link show veth1 | grep -o 'ether [^ ]*'")+w.run("ip -o link show veth0 | grep -o 'ether [^ ]*'")] = true
		if name := in(t, pid, "hostname"); name != "vassal001" {
			t.Errorf("its host name is %q", name)
		}
		if uid := status(t, pid, "Uid"); uid != "4001 4001 4001 4001" {
			t.Errorf("it runs as %s", uid)
		}
		if generation == 1 {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(macs) != 1 {
		t.Errorf("the hardware addresses change: %v", macs)
	}
	e.remove("vassal001.ini")
	e.gone("vassal001.ini")
	eventually(t, "the link is gone", func() bool { return !strings.Contains(w.run("ip -o link"), "veth0") })
}

func TestSeveralOnABridge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("emperor.ini", example(t, "several/emperor.ini", "%dvassals", w.vassals))
	w.write("link.sh", example(t, "several/link.sh"))
	for _, name := range []string{"alpha", "beta"} {
		w.write("v/"+name+".ini", example(t, "several/vassals/"+name+".ini"))
	}
	const long = "a-name-too-long-for-a-link" // of which two have the same beginning
	for _, name := range []string{long + "-1", long + "-2"} {
		w.write("v/"+name+".ini", ini("wait-for-interface = eth0", "command = sleep 1000"))
	}
	e := w.startOver("--ini", w.path("emperor.ini"))
	alpha := e.running("alpha.ini")
	e.running("beta.ini")
	e.running(long + "-1.ini")
	e.running(long + "-2.ini")
	for address, want := range map[string]string{"198.19.0.11": "this is alpha", "198.19.0.12": "this is beta"} {
		fetch := "curl -sS --retry 5 --retry-connrefused http://" + address + ":8080/"
		if got := w.run(fetch); got != want {
			t.Errorf("the host gets %q from %s", got, address)
		}
		if got := in(t, alpha, fetch); got != want {
			t.Errorf("alpha gets %q from %s", got, address)
		}
	}
	for _, link := range []string{"several0", "sv-alpha", "sv-beta"} {
		if got := w.run("cd /proc/sys/net && cat ipv6/conf/" + link + "/accept_ra ipv4/conf/" + link + "/rp_filter | xargs"); got != "0 1" {
			t.Errorf("%s has accept_ra and rp_filter %s", link, got)
		}
	}
	// The next life of a vassal answers at once: its neighbours' caches are still valid.
	mac := "ip -o link show eth0 | grep -o 'ether [^ ]*'"
	before := in(t, alpha, mac)
	if err := syscall.Kill(alpha, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if now := in(t, e.running("alpha.ini"), mac); now != before {
		t.Errorf("alpha had %s, has %s", before, now)
	}
	e.stop(syscall.SIGTERM)
	w.run("ip link del several0") // the example's own bridge, which stays
}

func TestCommandExamples(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"web.ini", "become.ini"} {
		w.write("v/"+name, example(t, "command/"+name))
	}
	e := w.start(allNamespaces)
	e.running("web.ini")
	if said := e.await("web.ini", "sockets").Msg; !regexp.MustCompile(`pid (\d+): 2 sockets, http-socket:socket, for pid (\d+)`).MatchString(said) {
		t.Errorf("the command said %q", said)
	}
	pid := e.running("become.ini")
	eventually(t, "the vassal is sleep", func() bool {
		command := lines("/proc/" + status(t, pid, "Pid") + "/cmdline")
		return len(command) == 1 && strings.HasPrefix(command[0], "sleep\x00")
	})
	if name := in(t, pid, "cat /proc/sys/kernel/hostname"); name != "become" {
		t.Errorf("its host name is %q", name)
	}
}

// The first start of a vassal makes its data, and no later one does.
func TestFirstStartExample(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("v/state.ini", example(t, "command/state.ini", "/var/lib/", w.path("lib-")))
	e := w.start(allNamespaces)
	e.running("state.ini")
	e.await("state.ini", `"msg":"making the data`)
	e.await("state.ini", "data of version 1")
	w.succeed("restart", "state.ini")
	e.await("state.ini", "data of version 1")
	if n := e.count("state.ini", `"msg":"making the data`); n != 1 {
		t.Errorf("the data were made %d times", n)
	}
}
