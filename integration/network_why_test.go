//go:build linux

package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// checkNetwork returns the lines of net check, which exits with 1 when there are any.
func (w *world) checkNetwork() string {
	out, _ := w.inside(program("emperor"), "net", "check").Output()
	return string(out)
}

// The status of a vassal that does not answer, and net check, name the reason in one line with the
// remedy; after the remedy they name none.
func TestWhyAVassalDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	w.site("good.ini", "network-publish = 8001:8080")
	serves := fmt.Sprintf(pages, w.path("s")) + "\nuid = 4001\ngid = 4001"
	w.vassal("shop.ini", "http-socket = 127.0.0.1:8080", "network-publish = 8002:8080", serves)
	w.vassal("idle.ini", "command = sleep 1000000", "network-publish = 8003:8080")
	w.vassal("private.ini", "http-socket = 127.0.0.1:9090", serves)
	e := w.start(routedArgs...)
	for _, name := range []string{"good.ini", "shop.ini", "idle.ini", "private.ini"} {
		e.running(name)
	}
	why := func(name, want string) {
		t.Helper()
		eventually(t, name+": "+want, func() bool {
			out := w.succeed("status", name)
			return want == "" && !strings.Contains(out, "\nreason ") || want != "" && strings.Contains(out, "\nreason           "+want)
		})
	}
	why("good", "")
	why("shop", "its program listens on 127.0.0.1:8080 only, which other hosts do not reach, and port 8002 of the host leads to it (let it listen on 0.0.0.0:8080 or [::]:8080)")
	why("idle", "no program in it listens on port 8080/tcp, and port 8003 of the host leads to it (")
	why("private", "its program listens on 127.0.0.1:9090 only, which no other host reaches")
	check := w.checkNetwork()
	for _, want := range []string{"shop.ini: its program listens on 127.0.0.1:8080 only", "idle.ini: no program in it listens on port 8080/tcp"} {
		if !strings.Contains(check, want) {
			t.Errorf("%q is missing in:\n%s", want, check)
		}
	}
	if strings.Contains(check, "good.ini") || strings.Contains(check, "private.ini") {
		t.Errorf("net check has too much:\n%s", check)
	}
	w.site("shop.ini", "network-publish = 8002:8080")
	w.remove("idle.ini")
	e.gone("idle.ini")
	eventually(t, "net check is content", func() bool { return w.checkNetwork() == "" })
	why("shop", "")
	if got := browse(far, "198.18.0.1:8002"); got != "a page\n" {
		t.Errorf("after the remedy the answer is %q", got)
	}

	link := w.attachment("good").Network.Host
	w.run("echo 0 >/proc/sys/net/ipv4/conf/" + link + "/forwarding")
	why("good", "another program has switched forwarding off for its link: it reaches no other hosts (sysctl -w net.ipv4.conf."+link+".forwarding=1)")
	w.run("echo 1 >/proc/sys/net/ipv4/conf/" + link + "/forwarding")
	w.run("nft 'add table ip other; add chain ip other FORWARD { type filter hook forward priority 0; policy drop; }'")
	why("good", `the chain "other FORWARD" of another firewall drops all packets that it does not accept`)
	w.run(`nft 'add rule ip other FORWARD iifname "evs*" accept; add rule ip other FORWARD oifname "evs*" accept'`)
	why("good", "")
	own := w.attachment("good").Network.Addresses[0].String()
	w.run("ip route replace " + own + " dev up0")
	e.await("good.ini", "it has no network any more")
	why("good", "this host has a route to "+own+"/32 by up0 (ip route delete "+own+"/32")
	w.run("ip route delete " + own)
	e.await("good.ini", "its network is there again")
	why("good", "")
	w.run("ip route add 10.142.8.0/24 dev up0")
	e.await("", "10.142.8.0/24 of this host (up0) is in the pool 10.142.0.0/19 of vassals")
	if out := w.succeed("events"); !strings.Contains(out, "10.142.8.0/24 of this host (up0) is in the pool") {
		t.Errorf("events:\n%s", out)
	}
	e.stop(syscall.SIGTERM)
}
