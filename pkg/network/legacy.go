package network

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// legacyTables are the tables of iptables-legacy of one family. nftables does not show them.
type legacyTables struct {
	name   string // of the chain, for people
	list   string // of the tables in use
	domain int
	level  int
	// target is the place of target_offset in an entry (struct ipt_entry, struct ip6t_entry), behind the
	// conditions and four bytes, and size the size of an entry without matches.
	target, size int
}

var legacies = []legacyTables{
	{"iptables-legacy FORWARD", "/proc/thread-self/net/ip_tables_names", unix.AF_INET, unix.IPPROTO_IP, 88, 112},
	{"ip6tables-legacy FORWARD", "/proc/thread-self/net/ip6_tables_names", unix.AF_INET6, unix.IPPROTO_IPV6, 140, 168},
}

// The questions to a table (linux/netfilter_ipv4/ip_tables.h), and the layout of their answers.
const (
	legacyInfo    = 64 // IPT_SO_GET_INFO, IP6T_SO_GET_INFO
	legacyEntries = 65 // IPT_SO_GET_ENTRIES, IP6T_SO_GET_ENTRIES
	legacyName    = 32 // of a table
	legacyForward = 2  // the number of the chain
	legacyHooks   = 5
	legacyTarget  = 32 // the size of the head of a target (struct xt_entry_target)
)

// legacyGetInfo is struct ipt_getinfo.
type legacyGetInfo struct {
	Name       [legacyName]byte
	Valid      uint32
	Entry      [legacyHooks]uint32
	Underflow  [legacyHooks]uint32 // the entry with the policy of each chain
	Entries    uint32
	SizeOfThem uint32
}

// drops reports whether the chain FORWARD drops or rejects all that its other rules leave, by its policy or by a
// rule without conditions, and no rule names links of vassals.
func (l legacyTables) drops() bool {
	tables, _ := os.ReadFile(l.list)
	if !slices.Contains(strings.Fields(string(tables)), "filter") {
		return false // a question would make the table
	}
	fd, err := unix.Socket(l.domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	info := legacyGetInfo{}
	copy(info.Name[:], "filter")
	if !l.ask(fd, legacyInfo, unsafe.Slice((*byte)(unsafe.Pointer(&info)), unsafe.Sizeof(info))) {
		return false
	}
	// struct ipt_get_entries: the name, the size, and the entries at a multiple of 8 bytes.
	const head = legacyName + 8
	answer := make([]byte, head+int(info.SizeOfThem))
	copy(answer, "filter")
	binary.NativeEndian.PutUint32(answer[legacyName:], info.SizeOfThem)
	if !l.ask(fd, legacyEntries, answer) || bytes.Contains(answer[head:], []byte(LinkPrefix)) {
		return false
	}
	return l.ends(answer[head:], int(info.Entry[legacyForward]), int(info.Underflow[legacyForward]))
}

// ends reports whether the first entry of a chain that every packet meets drops or rejects it. The entry
// last is the chain's policy.
func (l legacyTables) ends(entries []byte, at, last int) bool {
	for at <= last && at+l.target+4 <= len(entries) {
		entry := entries[at:]
		target, next := int(binary.NativeEndian.Uint16(entry[l.target:])), int(binary.NativeEndian.Uint16(entry[l.target+2:]))
		if next <= target+legacyTarget || next > len(entry) {
			return false
		}
		if verdict, ok := legacyVerdict(entry[target:next]); ok && target == l.size && allZero(entry[:l.target-4]) {
			return verdict
		}
		at += next
	}
	return false
}

// legacyVerdict reports whether a target drops or rejects packets. Not ok: packets may go on behind it.
func legacyVerdict(target []byte) (drops, ok bool) {
	const drop, accept = -1, -2 // -NF_DROP - 1, -NF_ACCEPT - 1
	name, _, _ := bytes.Cut(target[2:31], []byte{0})
	switch string(name) {
	case "REJECT":
		return true, true
	case "":
		if len(target) < legacyTarget+4 {
			return false, false
		}
		verdict := int32(binary.NativeEndian.Uint32(target[legacyTarget:]))
		return verdict == drop, verdict == drop || verdict == accept
	}
	return false, false
}

func allZero(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }

// ask asks a question whose answer replaces it.
func (l legacyTables) ask(fd, question int, b []byte) bool {
	size := uint32(len(b))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(l.level), uintptr(question), uintptr(unsafe.Pointer(&b[0])),
		uintptr(unsafe.Pointer(&size)), 0)
	return errno == 0 && int(size) == len(b)
}
