package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// A tenant's file may choose only what the operator permits, a template and an operator's file
// everything.
func TestConnection(t *testing.T) {
	emperors := func(args ...string) Networking {
		t.Helper()
		e, _, err := ownLoader.Emperor(append(args, "--emperor-use-clone", "net", t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		return e.Network
	}
	none := emperors()
	routed := emperors("--emperor-network", "routed", "--emperor-network-publish", "8000-8999", "--emperor-network-limit", "40mbit/10mbit", "--emperor-network-mtu", "1400", "--emperor-network-pool", "10.142.0.0/19")
	chosen := emperors("--emperor-network", "none", "--emperor-network-modes", "none,routed")
	joins := emperors("--emperor-network", "routed", "--emperor-network-modes", "routed,join")
	bridged := emperors("--emperor-network", "bridge", "--emperor-network-bridge", "br0 10.143.0.0/24", "--emperor-network-publish", "8000-8999", "--emperor-network-pool", "10.142.0.0/19")
	for _, c := range []struct {
		options  Networking
		tenant   bool
		text     string
		mode     spec.Kind
		mistakes string
	}{
		{none, false, "", "", ""},
		{none, false, "network = none", "", ""},
		{none, true, "network-lost = restart", "", ""},
		{none, false, "network = routed", "", "a.ini:3: network: the emperor has no built-in network"},
		{none, false, "network-publish = 80", "", "a.ini:3: network-publish: the emperor has no built-in network"},
		{routed, true, "", spec.Routed, ""},
		{routed, true, "network-publish = 8001:80", spec.Routed, ""},
		{routed, true, "network-publish = 9001:80", "", "a.ini:3: network-publish: a tenant's own file may not publish port 9001 (here: 8000-8999 (emperor-network-publish))"},
		{routed, true, "network-publish = 8001:80/udp", "", "may not publish port 8001/udp"},
		{routed, false, "network-publish = 9001:80", spec.Routed, ""},
		{routed, true, "network = none", "", "a.ini:3: network: a tenant's own file may not choose none (here: routed (emperor-network-modes))"},
		{routed, false, "network = none", "", ""},
		{routed, false, "network = none\nnetwork-publish = 80", "", "a.ini:4: network-publish: the vassal is not connected"},
		{routed, true, "network-limit = 10mbit", spec.Routed, ""},
		{routed, true, "network-limit = 20mbit", "", "20mbit is more than the emperor permits (at most 40mbit/10mbit)"},
		{routed, false, "network-limit = 1gbit", spec.Routed, ""},
		{routed, true, "network-mtu = 1500", "", "1500 is more than the emperor permits (at most 1400)"},
		{routed, true, "network-address = 10.142.3.7", "", "a.ini:3: network-address: not permitted in a tenant's own file"},
		{routed, true, "network-mac = 02:00:00:00:00:01", "", "network-mac: not permitted in a tenant's own file"},
		{routed, true, "network-route = 192.0.2.0/24", "", "network-route: not permitted in a tenant's own file"},
		{routed, true, "network-allow = 0.0.0.0/0", spec.Routed, ""},
		{routed, false, "network-address = 10.142.3.7", spec.Routed, ""},
		{routed, false, "network-address = 10.142.0.1", "", "10.142.0.1 is the gateway's"},
		{routed, false, "network-address = 192.0.2.1", "", "192.0.2.1 is outside of the pool"},
		{routed, false, "network-address = 192.0.2.1\nnetwork-route = 192.0.2.1/32", spec.Routed, ""},
		{chosen, true, "network = routed", spec.Routed, ""},
		{chosen, false, "network = routed\nnetwork-address = 192.0.2.9", "", "a.ini:4: network-address: 192.0.2.9 is outside of the automatic pool (emperor-network-pool = a prefix with it in the emperor's file, or network-route)"},
		{chosen, false, "network = routed\nnetwork-address = 10.200.0.9\nnetwork-address = fd09::9", spec.Routed, ""},
		{chosen, false, "network = routed\nnetwork-address = 192.0.2.9\nnetwork-route = 192.0.2.8/29", spec.Routed, ""},
		{routed, true, "network = macvlan:eth0", "", "may not choose macvlan:eth0 (here: routed"},
		{chosen, false, "network = macvlan:eth0\nnetwork-address = 192.0.2.7", spec.Macvlan, ""},
		{routed, false, "network = macvlan:eth0", "", "a.ini:3: network: packets of a vassal with network = macvlan:eth0 do not pass the host: the emperor-network-limit cannot hold for it"},
		{routed, false, "network = macvlan:eth0\nnetwork-publish = 80", "", "a.ini:4: network-publish: packets of a vassal with network = macvlan:eth0 do not pass the host (network = routed)"},
		{routed, false, "network = ipvlan:eth0\nnetwork-allow = 192.0.2.7", "", "a.ini:4: network-allow: packets of a vassal"},
		{routed, false, "network = ipvlan:eth0\nnetwork-mac = 02:00:00:00:00:01", "", "a.ini:4: network-mac: an ipvlan has the hardware address of eth0"},
		{routed, false, "network = macvlan:eth0\nnetwork-limit = 1mbit", "", "network-limit: packets of a vassal"},
		{routed, false, "network = bridge", "", "a.ini:3: network: no bridge is given"},
		{routed, false, "network = bridge:br9\nnetwork-publish = 80", "", "a.ini:4: network-publish: the emperor does not know the address of the vassal"},
		{routed, false, "network = bridge:br9\nnetwork-publish = 80\nnetwork-address = 192.0.2.7", spec.Bridge, ""},
		{bridged, true, "network-publish = 8001:80", spec.Bridge, ""},
		{bridged, false, "network-address = 10.143.0.1", "", "10.143.0.1 is the gateway's"},
		{bridged, false, "network-address = 10.142.0.7", "", "10.142.0.7 is outside of the pool"},
		{bridged, false, "network-allow = shop.ini", "", "a.ini:3: network-allow: vassals on a bridge are kept apart"},
		{bridged, false, "network-route = 192.0.2.0/24", "", "a.ini:3: network-route: a vassal on a bridge"},
		{bridged, false, "network = routed\nnetwork-allow = shop.ini", spec.Routed, ""},
		{chosen, true, "", "", ""},
		{routed, false, "network = cni:office\nnetwork-publish = 80\nnetwork-limit = 1mbit", spec.CNI, ""},
		{routed, false, "network = cni:office\nnetwork-allow = 192.0.2.7", "", "a.ini:4: network-allow: the plugins of the CNI network \"office\" decide that"},
		{routed, true, "network = cni:office", "", "a.ini:3: network: a tenant's own file may not choose cni:office"},
		{routed, true, "network = join:b", "", "a.ini:3: network: a tenant's own file may not choose join:b"},
		{chosen, false, "network = join:b\nnetwork-publish = 80", "", "a.ini:4: network-publish: the vassal has the network of \"b\""},
		{chosen, false, "network = join:b", spec.Join, ""},
		{joins, true, "network = join:b", spec.Join, ""},
		{chosen, false, "network = macvlan:eth0\nnetwork-dns = names", "", "a.ini:4: network-dns: the emperor answers only vassals with a link of its own (network-dns = auto, or network = routed)"},
		{chosen, false, "network = cni:office\nnetwork-dns = forward", "", "a.ini:4: network-dns: the emperor answers only"},
		{chosen, false, "network = ipvlan:eth0\nnetwork-dns = auto", spec.Ipvlan, ""},
	} {
		v, _, err := ParseVassal(Source{Name: "a.ini", Path: "a.ini", Data: []byte("[uwsgi]\ncommand = cat\n" + c.text + "\n")})
		if err != nil {
			t.Fatal(err)
		}
		wish, err := c.options.Connection(v, c.tenant)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if (c.mistakes == "") != (text == "") || !strings.Contains(text, c.mistakes) || text == "" && wish.Mode.Kind != c.mode {
			t.Errorf("%q, tenant %v: %v, %q, want %s %q", c.text, c.tenant, wish.Mode, text, c.mode, c.mistakes)
		}
	}
	template := Templates{Include: []Template{Source{Name: "t.ini", Path: "t.ini", Data: []byte("[uwsgi]\nnetwork-address = 10.142.3.7\nnetwork-publish = 80\n")}.Template()}}
	v, _, err := Loader{Permissions: Permissions{Partial: true}, Templates: template}.Vassal(Source{Name: "a.ini", Path: "a.ini", Data: []byte("[uwsgi]\ncommand = cat\n")})
	if err != nil {
		t.Fatal(err)
	}
	if wish, err := routed.Connection(v, true); err != nil || fmt.Sprint(wish.Addresses, wish.Publish) != "[10.142.3.7] [80]" || wish.Limit.Down != 40e6 {
		t.Errorf("by a template: %+v, %v", wish, err)
	}
}

// A port of a loopback address is a mistake with its place: no client gets an answer there.
func TestPublishAtLoopback(t *testing.T) {
	for line, want := range map[string]string{
		"127.0.0.1:8012:8080": "a.ini:3: network-publish: packets to the loopback address 127.0.0.1 do not reach a vassal (no address, or one of another interface",
		"[::1]:8012:8080":     "a.ini:3: network-publish: packets to the loopback address ::1 do not reach a vassal (",
		"192.0.2.1:8012:8080": "",
	} {
		_, _, err := ParseVassal(Source{Name: "a.ini", Path: "a.ini", Data: []byte("[uwsgi]\ncommand = cat\nnetwork-publish = " + line + "\n")})
		if text := fmt.Sprint(err); (err == nil) != (want == "") || !strings.Contains(text, want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
	_, _, err := ownLoader.Emperor([]string{"--emperor-network", "routed", "--emperor-network-publish", "127.0.0.1:8000-8999", "--emperor-use-clone", "net", t.TempDir()})
	if text := fmt.Sprint(err); !strings.Contains(text, "emperor-network-publish: packets to the loopback address 127.0.0.1 do not reach a vassal") {
		t.Errorf("of the emperor: %v", err)
	}
}
