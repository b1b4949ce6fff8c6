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
	name   string // for people
	list   string // of the tables in use
	domain int
	level  int
	// names is the place of the names of interfaces in an entry, behind two addresses and their masks.
	names int
	// target is the place of target_offset in an entry (struct ipt_entry, struct ip6t_entry), behind the
	// conditions and four bytes, and size the size of an entry without matches.
	target, size int
}

var legacies = []legacyTables{
	{"iptables-legacy", "/proc/thread-self/net/ip_tables_names", unix.AF_INET, unix.IPPROTO_IP, 16, 88, 112},
	{"ip6tables-legacy", "/proc/thread-self/net/ip6_tables_names", unix.AF_INET6, unix.IPPROTO_IPV6, 64, 140, 168},
}

// The questions to a table (linux/netfilter_ipv4/ip_tables.h), and the layout of their answers.
const (
	legacyInfo    = 64 // IPT_SO_GET_INFO, IP6T_SO_GET_INFO
	legacyEntries = 65 // IPT_SO_GET_ENTRIES, IP6T_SO_GET_ENTRIES
	legacyName    = 32 // of a table
	legacyHooks   = 5
	legacyTarget  = 32 // the size of the head of a target (struct xt_entry_target)
	legacyIfName  = 16 // IFNAMSIZ
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

// drops reports whether the chain of a hook drops or rejects all that its other rules leave, by its policy or by a
// rule without conditions, and no rule on the way names links of vassals or their bridge.
func (l legacyTables) drops(h hook, bridge string) bool {
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
	if !l.ask(fd, legacyEntries, answer) {
		return false
	}
	entries, first, last := answer[head:], int(info.Entry[h]), int(info.Underflow[h])
	return l.ends(entries, first, last) && !l.knowsVassals(entries, first, last, bridge, map[int]bool{})
}

// ends reports whether the first entry of a chain that every packet meets drops or rejects it. The entry
// last is the chain's policy.
func (l legacyTables) ends(entries []byte, first, last int) (drops bool) {
	l.each(entries, first, last, func(_, target []byte, always bool) bool {
		verdict, ok := legacyVerdict(target)
		drops = ok && always && verdict
		return !ok || !always
	})
	return drops
}

// each calls f for the entries of a chain while it returns true. always: the entry has no conditions.
func (l legacyTables) each(entries []byte, at, last int, f func(conditions, target []byte, always bool) bool) {
	for at >= 0 && at <= last && at+l.target+4 <= len(entries) {
		entry := entries[at:]
		target, next := int(binary.NativeEndian.Uint16(entry[l.target:])), int(binary.NativeEndian.Uint16(entry[l.target+2:]))
		if next < target+legacyTarget || next > len(entry) || target < l.target {
			return
		}
		if !f(entry[:l.target-4], entry[target:next], target == l.size && allZero(entry[:l.target-4])) {
			return
		}
		at += next
	}
}

// knowsVassals reports whether an entry of a chain, or of a chain that it leads to, names links of vassals or their
// bridge. seen are the places of chains that were read.
func (l legacyTables) knowsVassals(entries []byte, first, last int, bridge string, seen map[int]bool) (knows bool) {
	if seen[first] {
		return false
	}
	seen[first] = true
	l.each(entries, first, last, func(conditions, target []byte, always bool) bool {
		for i := range 2 { // the interface of the input and of the output, behind the addresses and their masks
			at := l.names + i*legacyIfName
			knows = knows || namesVassals(conditions[at:at+legacyIfName], bridge)
		}
		to, standard := legacyJump(target)
		if standard && to >= 0 {
			knows = knows || l.knowsVassals(entries, to, len(entries), bridge, seen)
		}
		ends := string(bytes.TrimRight(target[2:31], "\x00")) == "ERROR" || standard && to < 0 && always // of a chain of its own
		return !knows && !ends
	})
	return knows
}

// legacyJump returns the verdict of a standard target: the place of a chain, or a negative number.
func legacyJump(target []byte) (to int, standard bool) {
	if target[2] != 0 || len(target) < legacyTarget+4 {
		return 0, false
	}
	return int(int32(binary.NativeEndian.Uint32(target[legacyTarget:]))), true
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
