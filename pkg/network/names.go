package network

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/emperor-go/emperor/internal/atomicfile"
)

// RouteProtocol marks the routes of emperors (rtnetlink(7), rtm_protocol).
const RouteProtocol = 0xE7

// The groups of links (ip-link(8), group): the first byte marks links of emperors, the rest is
// the emperor's, and its lowest bit is 0. An emperor that was killed leaves links that its
// group still names.
const (
	groupMark = 0x65000000
	groupMask = 0xFF000000
)

// ID names one emperor on a host: 12 hexadecimal digits. All that it makes carries it.
type ID string

func idFile(dir string) string { return filepath.Join(dir, "id") }

// LoadID returns the emperor's ID, which is made once for a runtime directory. The directory
// is gone after a boot of the host, and so are the links.
func LoadID(dir string) (ID, error) {
	id, err := recordedID(dir)
	if err != nil || id != "" {
		return id, err
	}
	var random [6]byte
	_, _ = rand.Read(random[:]) // never fails
	id = ID(hex.EncodeToString(random[:]))
	if _, err := atomicfile.Write(idFile(dir), []byte(id+"\n"), atomicfile.Options{}); err != nil {
		return "", fmt.Errorf("cannot keep the emperor's network id: %w", err)
	}
	return id, nil
}

func (id ID) valid() bool {
	b, err := hex.DecodeString(string(id))
	return err == nil && len(b) == 6
}

// Group returns the group of the emperor's links.
func (id ID) Group() uint32 {
	sum := sha256.Sum256([]byte("group\x00" + id))
	return groupMark | binary.BigEndian.Uint32(sum[:4])&0x00FFFFFE
}

// Table returns the name of the emperor's nftables table.
func (id ID) Table() string { return tablePrefix + string(id) }

const tablePrefix = "emperor-"

// linkName returns the name of a host end. Its prefix is none that networkd, udev or
// NetworkManager configure by default. Another salt gives another name.
func (id ID) linkName(vassal string, generation uint64, salt int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "link\x00%s\x00%s\x00%d\x00%d", id, vassal, generation, salt))
	return LinkPrefix + hex.EncodeToString(sum[:6])
}

// LinkPrefix begins the names of host ends.
const LinkPrefix = "evs"

// macs returns the hardware addresses of both ends. They are the same in each generation, so
// that no neighbour sends to an old one.
func (id ID) macs(vassal string) (host, inside net.HardwareAddr) {
	return derivedMAC(string(id), vassal, "host"), derivedMAC(string(id), vassal, "inside")
}

// derivedMAC returns a hardware address that is always the same for the same words, such as
// the name of a link and its end. When a link had a new address in each of its lives, its
// neighbours would send to the old one for up to half a minute.
func derivedMAC(words ...string) net.HardwareAddr {
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	mac := net.HardwareAddr(sum[:6])
	mac[0] = 0x02 // an individual address, administered locally (IEEE 802)
	return mac
}

// alias is the note on a host end.
func (id ID) alias(vassal string, generation uint64) string {
	tail := fmt.Sprintf(" gen=%d", generation)
	head := fmt.Sprintf("emperor=%s vassal=", id)
	return head + cut(vassal, maxAlias-len(head)-len(tail)) + tail
}

// The kernel's limits of names of links (IFALIASZ, ALTIFNAMSIZ), without the zero at the end.
const (
	maxAlias   = 255
	maxAltName = 127
)

// altName is the alternative name of a host end. It always has a prefix, so that a vassal
// called eth1 does not block eth1.
func altName(vassal string) string {
	name := strings.Map(func(r rune) rune {
		if r <= ' ' || r == '/' || r == 0x7f {
			return '_'
		}
		return r
	}, vassal)
	return "emperor-" + cut(name, maxAltName-len("emperor-"))
}

// cut shortens a name to a length in bytes. A hash at its end distinguishes long names.
func cut(name string, length int) string {
	if len(name) <= length {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	tail := "~" + hex.EncodeToString(sum[:4])
	return strings.ToValidUTF8(name[:length-len(tail)], "") + tail
}
