package network

import (
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// concerns reports whether an event is the deletion of the table or of a part of it. The
// emperor itself deletes elements only, but for a replacement of the whole.
func (t *Table) concerns(m syscall.NetlinkMessage) bool {
	kind := m.Header.Type & 0xff
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES ||
		!slices.Contains([]uint16{unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_DELRULE, unix.NFT_MSG_DELSET}, kind) {
		return false
	}
	// The name of the table is the first attribute of each of them (nf_tables.h).
	const nfgenmsg = 4
	if len(m.Data) < nfgenmsg+unix.SizeofRtAttr {
		return false
	}
	name := m.Data[nfgenmsg+unix.SizeofRtAttr:]
	return len(name) > len(t.table.Name) && string(name[:len(t.table.Name)]) == t.table.Name && name[len(t.table.Name)] == 0
}
