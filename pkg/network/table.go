package network

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"sync"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Table is the emperor's table of nftables. It has the policy, and the elements of vassals.
// When another program deletes it, with `nft flush ruleset` for example, it is made again at
// once. Its methods may be called by many goroutines.
type Table struct {
	log      *slog.Logger
	restored func()
	events   *nl.NetlinkSocket
	done     chan struct{}

	mu       sync.Mutex
	conn     *nftables.Conn
	table    *nftables.Table
	policy   Policy
	sets     []*sets
	elements map[string]map[string]nftables.SetElement // of each set, by key
	rules    int
}

// Element is an element of one of the table's sets.
type Element struct {
	Set string
	nftables.SetElement
}

func (e Element) id() string { return string(e.Key) + "-" + string(e.KeyEnd) }

// equal reports whether two elements have the same keys and the same value.
func (e Element) equal(o Element) bool {
	return e.Set == o.Set && e.id() == o.id() && bytes.Equal(e.Val, o.Val)
}

// maxElements is the largest number of elements in one message.
const maxElements = 200

// OpenTable makes the table in one transaction; a table of that name that an earlier emperor
// has left is replaced in it. The function restored is called after each time that the table had to be
// made again. The caller closes the table.
func OpenTable(id ID, p Policy, restored func(), log *slog.Logger) (*Table, error) {
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("cannot open nftables: %w", err)
	}
	t := &Table{
		log: log, restored: restored, conn: conn, policy: p, done: make(chan struct{}),
		table:    &nftables.Table{Family: nftables.TableFamilyINet, Name: id.Table()},
		elements: map[string]map[string]nftables.SetElement{},
	}
	// Before the table: no deletion is missed.
	if t.events, err = nl.Subscribe(unix.NETLINK_NETFILTER, unix.NFNLGRP_NFTABLES); err != nil {
		_ = conn.CloseLasting()
		return nil, fmt.Errorf("cannot watch nftables: %w", err)
	}
	if err := t.install(); err != nil {
		t.events.Close()
		_ = conn.CloseLasting()
		return nil, fmt.Errorf("cannot set the policy of the network (nftables): %w", err)
	}
	go t.watch()
	return t, nil
}

// numbering guards the variable of google/nftables from which AddSet takes numbers for sets.
var numbering sync.Mutex

// addSets adds the sets and maps of the policy to the transaction.
func (t *Table) addSets() error {
	numbering.Lock()
	defer numbering.Unlock()
	t.sets = nil
	for _, f := range families {
		s := newSets(t.table, f)
		for _, set := range s.all() {
			if err := t.conn.AddSet(set, nil); err != nil {
				return err
			}
		}
		t.sets = append(t.sets, s)
	}
	return nil
}

// install replaces the table in one transaction.
func (t *Table) install() error {
	c := t.conn
	c.AddTable(t.table) // so that there is one to delete
	c.DelTable(t.table)
	c.AddTable(t.table)
	for _, name := range []string{counterSpoofed, counterRefused} {
		c.AddObject(&nftables.CounterObj{Table: t.table, Name: name})
	}
	if err := t.addSets(); err != nil {
		return err
	}
	chains := t.policy.chains(t.sets)
	made := make([]*nftables.Chain, len(chains))
	for i, chain := range chains {
		made[i] = c.AddChain(&nftables.Chain{Table: t.table, Name: chain.name, Type: chain.kind, Hooknum: chain.hook, Priority: chain.priority})
	}
	t.rules = 0
	for i, chain := range chains {
		for _, r := range chain.rules {
			c.AddRule(&nftables.Rule{Table: t.table, Chain: made[i], Exprs: r})
			t.rules++
		}
	}
	for name, elements := range t.elements {
		list := make([]nftables.SetElement, 0, len(elements))
		for _, e := range elements {
			list = append(list, e)
		}
		for part := range slices.Chunk(list, maxElements) {
			if err := c.SetAddElements(t.set(name), part); err != nil {
				return err
			}
		}
	}
	return c.Flush()
}

func (t *Table) set(name string) *nftables.Set {
	for _, s := range t.sets {
		for _, set := range s.all() {
			if set.Name == name {
				return set
			}
		}
	}
	return nil
}

// Replace removes elements and adds others in one transaction. A missing element is not
// removed, and an equal one is not added again; an element with the key of another replaces it.
func (t *Table) Replace(remove, add []Element) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	drop, put := map[string][]nftables.SetElement{}, map[string][]nftables.SetElement{}
	for _, e := range remove {
		if was, there := t.elements[e.Set][e.id()]; there && !slices.ContainsFunc(add, e.equal) {
			drop[e.Set] = append(drop[e.Set], was)
			delete(t.elements[e.Set], e.id())
		}
	}
	for _, e := range add {
		of := t.elements[e.Set]
		if of == nil {
			of = map[string]nftables.SetElement{}
			t.elements[e.Set] = of
		}
		was, there := of[e.id()]
		if there && e.equal(Element{e.Set, was}) {
			continue
		}
		if there {
			drop[e.Set] = append(drop[e.Set], was)
		}
		put[e.Set] = append(put[e.Set], e.SetElement)
		of[e.id()] = e.SetElement
	}
	if len(drop)+len(put) == 0 {
		return nil
	}
	err := errors.Join(t.queue(t.conn.SetDeleteElements, drop), t.queue(t.conn.SetAddElements, put))
	if err == nil {
		err = t.conn.Flush()
	}
	if errors.Is(err, unix.ENOENT) {
		// The table was deleted meanwhile: with all elements, it is what is wanted.
		err = t.install()
	}
	if err != nil {
		return fmt.Errorf("cannot change the policy of the network: %w", err)
	}
	return nil
}

// queue queues a change of elements for the next Flush.
func (t *Table) queue(change func(*nftables.Set, []nftables.SetElement) error, elements map[string][]nftables.SetElement) error {
	for name, list := range elements {
		for part := range slices.Chunk(list, maxElements) {
			if err := change(t.set(name), part); err != nil {
				return err
			}
		}
	}
	return nil
}

// AnswerNames lets vassals ask the host for names at some of its addresses. It replaces the table
// in one transaction.
func (t *Table) AnswerNames(at []netip.Addr) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.policy.Names = at
	if err := t.install(); err != nil {
		return fmt.Errorf("cannot change the policy of the network: %w", err)
	}
	return nil
}

// Spoofed returns the number of packets with forged sources since the table was made.
func (t *Table) Spoofed() (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	o, err := t.conn.GetObject(&nftables.CounterObj{Table: t.table, Name: counterSpoofed})
	if err != nil {
		return 0, fmt.Errorf("cannot read the counter of forged packets: %w", err)
	}
	counter, ok := o.(*nftables.CounterObj)
	if !ok {
		return 0, errors.New("cannot read the counter of forged packets: it is no counter")
	}
	return counter.Packets, nil
}

// Whole reports whether all rules are there.
func (t *Table) Whole() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.whole()
}

// Close removes the table.
func (t *Table) Close() error {
	t.events.Close()
	<-t.done
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn.AddTable(t.table)
	t.conn.DelTable(t.table)
	return errors.Join(t.conn.Flush(), t.conn.CloseLasting())
}

// watch makes the table again when other programs delete it or parts of it.
func (t *Table) watch() {
	defer close(t.done)
	for {
		messages, _, err := t.events.Receive()
		switch {
		case errors.Is(err, unix.ENOBUFS): // events were lost
		case errors.Is(err, os.ErrClosed), errors.Is(err, unix.EAGAIN): // the same while it blocks
			return
		case err != nil:
			t.log.Warn("cannot read events of nftables", "error", err)
			return
		case !slices.ContainsFunc(messages, t.concerns):
			continue
		}
		t.repair()
	}
}

// repair makes the table again if it is not whole.
func (t *Table) repair() {
	t.mu.Lock()
	whole := t.whole()
	var err error
	if !whole {
		err = t.install()
	}
	t.mu.Unlock()
	switch {
	case whole:
	case err != nil:
		t.log.Error("the network policy is gone: another program has deleted the table, and it cannot be made again", "table", t.table.Name, "error", err)
	default:
		t.log.Warn("another program has deleted the network policy; it is set again", "table", t.table.Name)
		t.restored()
	}
}

// whole reports whether all rules are there.
func (t *Table) whole() bool {
	n := 0
	for _, chain := range t.policy.chains(t.sets) {
		rules, err := t.conn.GetRules(t.table, &nftables.Chain{Table: t.table, Name: chain.name})
		if err != nil {
			return false
		}
		n += len(rules)
	}
	return n == t.rules
}
