package network

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The settings of one link that make the host forward the packets that arrive there. The one of
// IPv6 needs Linux 6.17.
const (
	forwarding4 = "forwarding"
	forwarding6 = "force_forwarding"
	// allForwarding6 is the setting of older kernels. It makes the whole host a router, which
	// ignores router advertisements unless a link accepts them with accept_ra = 2.
	allForwarding6 = "ipv6/conf/all/forwarding"
)

// forward switches forwarding on for the uplinks, or reports that it is off. It returns the
// uplinks whose setting it has changed: nothing but vassals may use the new way through the
// host.
func (s *Stage) forward(uplinks [2][]string) (guarded []string, err error) {
	f := forwarder{changes: s.changes, check: s.config.CheckForwarding, log: s.config.Log}
	f.all(s.gateways, uplinks)
	return f.guarded, errors.Join(f.err, f.lack())
}

// forwarder collects the results for all uplinks.
type forwarder struct {
	changes *changes
	check   bool
	// restored: settings count with their values before the changes.
	restored bool
	log      *slog.Logger

	guarded []string
	missing []string // settings for sysctl(8)
	err     error
}

// lack returns a Lack for the settings that are missing. Nil: none is.
func (f *forwarder) lack() error {
	if len(f.missing) == 0 {
		return nil
	}
	return Lack{
		Key: keyForwarding, What: "this host does not forward, and " + keyForwarding + " is check", Hint: "sysctl -w " + strings.Join(f.missing, " "),
	}
}

func (f *forwarder) exists(setting string) bool {
	_, err := os.Stat(filepath.Join(f.changes.root, setting))
	return err == nil
}

// all handles the uplinks of the families that vassals have.
func (f *forwarder) all(gateways []netip.Addr, uplinks [2][]string) {
	for _, gateway := range gateways {
		if gateway.Is4() {
			f.each("ipv4", forwarding4, uplinks[0])
		} else if f.exists("ipv6/conf/all/" + forwarding6) {
			f.each("ipv6", forwarding6, uplinks[1])
		} else if len(uplinks[1]) > 0 {
			f.whole(uplinks[1])
		}
	}
}

func (f *forwarder) each(family, key string, uplinks []string) {
	for _, name := range uplinks {
		setting := family + "/conf/" + name + "/" + key
		if !f.exists(setting) {
			f.log.Warn("there is no such interface yet: vassals reach other hosts by it when it appears", "interface", name, "hint",
				"emperor-network-uplink = one of the host")
			continue
		}
		if f.put(setting, "1") && !slices.Contains(f.guarded, name) {
			f.guarded = append(f.guarded, name)
		}
	}
}

// whole makes the host a router of IPv6, on a kernel without the setting of one link.
func (f *forwarder) whole(uplinks []string) {
	for _, name := range uplinks {
		if accept := "ipv6/conf/" + name + "/accept_ra"; f.value(accept) == "1" {
			f.put(accept, "2")
		}
	}
	if f.put(allForwarding6, "1") {
		f.log.Warn("this kernel cannot forward IPv6 for one link: the whole host is a router of IPv6 now", "setting",
			"net.ipv6.conf.all.forwarding", "hint", "Linux 6.17, or emperor-network-pool without a prefix of IPv6")
		f.guarded = append(f.guarded, slices.DeleteFunc(slices.Clone(uplinks), func(name string) bool { return slices.Contains(f.guarded, name) })...)
	}
}

// value reads a setting.
func (f *forwarder) value(setting string) string {
	path := filepath.Join(f.changes.root, setting)
	if was, changed := f.changes.Settings[path]; changed && f.restored {
		return was
	}
	b, _ := os.ReadFile(path)
	return strings.TrimSpace(string(b))
}

// put sets a value, or notes that it is another one. It reports whether it has changed it.
func (f *forwarder) put(setting, value string) bool {
	switch now := f.value(setting); {
	case now == value:
		return false
	case f.check:
		f.missing = append(f.missing, sysctlName(setting)+"="+value)
		return false
	}
	if err := f.changes.set(setting, value); err != nil {
		f.err = errors.Join(f.err, fmt.Errorf("cannot switch forwarding on: %w (emperor-network-forwarding = check, and sysctl -w %s=%s)", err,
			sysctlName(setting), value))
		return false
	}
	return true
}

// sysctlName returns the name of a setting for sysctl(8). The name of an interface may contain
// dots.
func sysctlName(setting string) string {
	if strings.Contains(setting, ".") {
		return "net/" + setting
	}
	return "net." + strings.ReplaceAll(setting, "/", ".")
}
