package network

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// deletion is an event of nftables: a table was deleted, or a part of it.
type deletion struct {
	by     uint32 // the socket of the program
	family uint8
	table  string
	chain  string // empty: more than one chain
}

// deletions reports deletions that any program makes in this network namespace.
type deletions struct {
	events *namespaces.Events
	done   chan struct{}
}

// watchDeletions subscribes. Deletions from now on are reported after a call of follow.
func watchDeletions() (*deletions, error) {
	events, err := namespaces.Subscribe(unix.NETLINK_NETFILTER, unix.NFNLGRP_NFTABLES)
	if err != nil {
		return nil, fmt.Errorf("cannot watch nftables: %w", err)
	}
	return &deletions{events, make(chan struct{})}, nil
}

// follow calls a function for the deletions of each transaction, until close. No deletions: events
// were lost.
func (d *deletions) follow(each func([]deletion), log *slog.Logger) {
	defer close(d.done)
	for {
		var list []deletion
		err := d.events.Next(func(m syscall.NetlinkMessage) {
			if x, ok := parseDeletion(m); ok {
				list = append(list, x)
			}
		})
		switch {
		case errors.Is(err, namespaces.ErrEventsLost):
			each(nil)
			continue
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil:
			log.Error("cannot watch nftables any more: a policy that another program deletes is not set again", "error", err)
			return
		}
		if len(list) > 0 {
			each(list)
		}
	}
}

// close ends follow. It is called once, after follow has been started.
func (d *deletions) close() {
	d.events.Close()
	<-d.done
}

// parseDeletion reads a message of nftables (nf_tables.h). The name of the table is the first
// attribute of each kind; a chain has its name in the third one, and a rule its chain in the second.
func parseDeletion(m syscall.NetlinkMessage) (x deletion, ok bool) {
	const nfgenmsg = 4
	kind := m.Header.Type & 0xff
	kinds := []uint16{unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_DELRULE, unix.NFT_MSG_DELSET, unix.NFT_MSG_DELSETELEM}
	if m.Header.Type>>8 != unix.NFNL_SUBSYS_NFTABLES || !slices.Contains(kinds, kind) || len(m.Data) < nfgenmsg {
		return x, false
	}
	attributes, err := nl.ParseRouteAttr(m.Data[nfgenmsg:])
	if err != nil {
		return x, false
	}
	x.by, x.family = m.Header.Pid, m.Data[0]
	for _, a := range attributes {
		switch value := unix.ByteSliceToString(a.Value); {
		case a.Attr.Type == unix.NFTA_TABLE_NAME:
			x.table = value
		case kind == unix.NFT_MSG_DELCHAIN && a.Attr.Type == unix.NFTA_CHAIN_NAME, kind == unix.NFT_MSG_DELRULE && a.Attr.Type == unix.NFTA_RULE_CHAIN:
			x.chain = value
		}
	}
	return x, true
}
