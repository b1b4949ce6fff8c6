package network

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netns"
)

// settings makes a directory like /proc/sys/net.
func settings(t *testing.T, files ...string) (root string) {
	t.Helper()
	root = t.TempDir()
	for _, f := range files {
		name, value, _ := strings.Cut(f, "=")
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(value+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// On a kernel that cannot forward IPv6 for one link, the whole host becomes a router and keeps its
// advertised routes, or the missing setting is named. Former values are restored.
func TestForwardingOnOldKernels(t *testing.T) {
	old := []string{"ipv4/conf/up0/forwarding=0", "ipv6/conf/all/forwarding=0", "ipv6/conf/up0/accept_ra=1"}
	recent := append(old, "ipv6/conf/all/force_forwarding=0", "ipv6/conf/up0/force_forwarding=0")
	for _, c := range []struct {
		files            []string
		check            bool
		changed, missing string
	}{
		{old, false, "ipv4/conf/up0/forwarding ipv6/conf/all/forwarding ipv6/conf/up0/accept_ra", ""},
		{recent, false, "ipv4/conf/up0/forwarding ipv6/conf/up0/force_forwarding", ""},
		{old, true, "", "net.ipv4.conf.up0.forwarding=1 net.ipv6.conf.up0.accept_ra=2 net.ipv6.conf.all.forwarding=1"},
		{recent, true, "", "net.ipv4.conf.up0.forwarding=1 net.ipv6.conf.up0.force_forwarding=1"},
	} {
		root := settings(t, c.files...)
		changes, err := loadChanges(filepath.Join(t.TempDir(), "host.json"))
		if err != nil {
			t.Fatal(err)
		}
		changes.root = root
		s := &Stage{config: Config{CheckForwarding: c.check, Log: slog.New(slog.DiscardHandler)}, changes: changes, gateways: addresses("10.9.0.1", "fd09::1")}
		guarded, err := s.forward([2][]string{{"up0"}, {"up0"}})
		switch {
		case c.missing != "":
			if err == nil || !strings.Contains(err.Error(), "sysctl -w "+c.missing) {
				t.Errorf("%v, want %s", err, c.missing)
			}
		case err != nil || fmt.Sprint(guarded) != "[up0]":
			t.Errorf("guarded %v, %v", guarded, err)
		}
		for _, f := range c.files {
			name, value, _ := strings.Cut(f, "=")
			b, _ := os.ReadFile(filepath.Join(root, name))
			if changed := strings.TrimSpace(string(b)) != value; changed != strings.Contains(" "+c.changed+" ", " "+name+" ") {
				t.Errorf("%s is %s", name, b)
			}
		}
		if err := changes.restore(nil); err != nil {
			t.Error(err)
		}
		for _, f := range c.files {
			name, value, _ := strings.Cut(f, "=")
			if b, _ := os.ReadFile(filepath.Join(root, name)); strings.TrimSpace(string(b)) != value {
				t.Errorf("%s is not restored: %s", name, b)
			}
		}
	}
}

// An uplink that appears later, or again, is like one that is there at the start, by its default
// route or by the options.
func TestUplinkThatComesLater(t *testing.T) {
	for _, given := range []bool{false, true} {
		t.Run(fmt.Sprint(given), func(t *testing.T) {
			if !isolated(t) {
				return
			}
			ip(t, netns.None(), "link", "set", "lo", "up")
			s := openStage(t, func(c *Config) {
				if given {
					c.Uplinks = []string{"up0"}
				}
			})
			a := newNetns(t)
			up(t, s, "a.ini", a, routed(t, "8001:8080"))
			serve(t, a, 8080, "a")
			for range 2 {
				far := outside(t)
				serve(t, far, 80, "far")
				for _, c := range []struct {
					from     netns.NsHandle
					to, want string
				}{
					{a, "198.18.0.2:80", "far for 198.18.0.1"},
					{a, "[2001:db8:18::2]:80", "far for 2001:db8:18::1"},
					{far, "198.18.0.1:8001", "a for 198.18.0.2"},
					{far, "[2001:db8:18::1]:8001", "a for 2001:db8:18::2"},
				} {
					deadline := time.Now().Add(patience)
					for {
						got, err := ask(t, c.from, c.to)
						if got == c.want {
							break
						}
						if time.Now().After(deadline) {
							t.Fatalf("%s: %q, %v", c.to, got, err)
						}
						time.Sleep(10 * time.Millisecond)
					}
				}
				guarded := func() bool { return strings.Contains(nft(t, "list", "ruleset"), `iifname "up0" oifgroup`) }
				for deadline := time.Now().Add(patience); !guarded(); time.Sleep(10 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("the uplink is not guarded: %s", nft(t, "list", "ruleset"))
					}
				}
				ip(t, netns.None(), "link", "delete", "up0")
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A later run of systemd-sysctl does not undo the changes of the host: they are in a file of its, which the
// next emperor removes when this one is killed.
func TestDropInOfSettings(t *testing.T) {
	root, record := settings(t, "ipv4/conf/up0/forwarding=0", "ipv4/conf/up1/forwarding=1"), filepath.Join(t.TempDir(), "host.json")
	c, err := loadChanges(record)
	if err != nil {
		t.Fatal(err)
	}
	c.root, c.DropIn = root, filepath.Join(t.TempDir(), "sysctl.d/60-emperor.conf")
	for _, link := range []string{"up0", "up1"} {
		if err := c.set("ipv4/conf/"+link+"/forwarding", "1"); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(c.DropIn); err != nil || !strings.HasSuffix(string(b), "\nnet/ipv4/conf/up0/forwarding = 1\n") || strings.Contains(string(b), "up1") {
		t.Errorf("%q, %v", b, err)
	}
	next, err := loadChanges(record)
	if err == nil {
		err = next.restore(nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.DropIn); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
	if b, _ := os.ReadFile(filepath.Join(root, "ipv4/conf/up0/forwarding")); strings.TrimSpace(string(b)) != "0" {
		t.Errorf("the setting is %s", b)
	}
}
