package spec

import (
	"fmt"
	"slices"
)

// DNS is the way in which a vassal resolves names. Empty: DNSAuto.
type DNS string

// The ways to resolve names.
const (
	// DNSAuto: the host's nameservers that the vassal can reach; without any, DNSForward.
	DNSAuto DNS = "auto"
	// DNSOff: the vassal reads the host's files.
	DNSOff DNS = "off"
	// DNSNames: the emperor answers for the names of vassals, and the host's nameservers that
	// the vassal can reach for other names.
	DNSNames DNS = "names"
	// DNSForward: the emperor answers for the names of vassals and passes other questions on to
	// the nameservers of the host.
	DNSForward DNS = "forward"
)

// ParseDNS parses auto, off, names or forward.
func ParseDNS(text string) (DNS, error) {
	if d := DNS(text); slices.Contains([]DNS{DNSAuto, DNSOff, DNSNames, DNSForward}, d) {
		return d, nil
	}
	return "", fmt.Errorf("%q is no way to resolve names", text)
}
