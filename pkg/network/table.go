package network

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/google/nftables"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Table is the emperor's table of nftables. It has the policy, and the elements of vassals. Its
// methods may be called by many goroutines.
type Table struct {
	mu       sync.Mutex
	conn     *nftConn
	table    *nftables.Table
	policy   Policy
	sets     []*sets
	spoofers *nftables.Set
	elements map[string]map[string]nftables.SetElement // of each set, by key
	unknown  bool                                      // the kernel's table may be another one: the last change has failed
	closed   bool                                      // it is removed, and not made again
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
// has left is replaced in it. The caller closes the table.
func OpenTable(id ID, p Policy) (*Table, error) {
	conn, err := openNft()
	if err != nil {
		return nil, err
	}
	t := &Table{
		conn: conn, policy: p,
		table:    &nftables.Table{Family: nftables.TableFamilyINet, Name: id.Table()},
		elements: map[string]map[string]nftables.SetElement{},
	}
	if err := t.install(); err != nil {
		_ = conn.CloseLasting()
		return nil, fmt.Errorf("cannot set the policy of the network (nftables): %w", err)
	}
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
	t.spoofers = newSpoofers(t.table)
	return t.conn.AddSet(t.spoofers, nil)
}

// all lists the sets.
func (t *Table) all() []*nftables.Set {
	list := []*nftables.Set{t.spoofers}
	for _, s := range t.sets {
		list = append(list, s.all()...)
	}
	return list
}

// install replaces the table in one transaction. Whatever the kernel has, it is complete
// afterwards.
func (t *Table) install() (err error) {
	defer func() { t.unknown = err != nil }()
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
	chains := t.policy.chains(t.sets, t.spoofers)
	made := make([]*nftables.Chain, len(chains))
	for i, chain := range chains {
		made[i] = c.AddChain(&nftables.Chain{Table: t.table, Name: chain.name, Type: chain.kind, Hooknum: chain.hook, Priority: chain.priority})
	}
	for i, chain := range chains {
		for _, r := range chain.rules {
			c.AddRule(&nftables.Rule{Table: t.table, Chain: made[i], Exprs: r})
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
	for _, set := range t.all() {
		if set.Name == name {
			return set
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
	if err := t.send(drop, put); err != nil {
		return fmt.Errorf("cannot change the policy of the network: %w", err)
	}
	return nil
}

// send deletes and adds elements in one transaction. When that fails, the table may be gone, or the
// answer was lost: the wanted table has all elements.
func (t *Table) send(drop, put map[string][]nftables.SetElement) error {
	if t.unknown {
		return t.install()
	}
	err := errors.Join(t.queue(t.conn.SetDeleteElements, drop), t.queue(t.conn.SetAddElements, put))
	if err == nil {
		err = t.conn.Flush()
	}
	if err == nil {
		return nil
	}
	if again := t.install(); again != nil {
		return errors.Join(err, again)
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

// answersNames reports whether vassals may ask the host for names.
func (t *Table) answersNames() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.policy.Names) > 0
}

// Guard guards further interfaces (Policy.Guarded). It replaces the table in one transaction when
// there are new ones.
func (t *Table) Guard(names []string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.policy.Guarded
	for _, name := range names {
		if !slices.Contains(t.policy.Guarded, name) {
			t.policy.Guarded = append(t.policy.Guarded, name)
		}
	}
	if len(t.policy.Guarded) == len(was) {
		return nil
	}
	if err := t.install(); err != nil {
		t.policy.Guarded = was
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

// SpoofedBy returns the same number for one link.
func (t *Table) SpoofedBy(link namespaces.Index) (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	elements, err := t.conn.elements(t.spoofers)
	if err != nil {
		return 0, fmt.Errorf("cannot read the counters of forged packets: %w", err)
	}
	for _, e := range elements {
		if bytes.Equal(e.Key, native(uint32(link))) && e.Counter != nil {
			return e.Counter.Packets, nil
		}
	}
	return 0, nil
}

// spoofer returns the element that counts the forged packets of a link.
func spoofer(link namespaces.Index) Element {
	return Element{setSpoofers, nftables.SetElement{Key: native(uint32(link))}}
}

// Whole reports whether all rules and elements are there.
func (t *Table) Whole() bool {
	whole, _, err := t.compare()
	return whole && err == nil
}

// Close removes the table.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.conn.AddTable(t.table)
	t.conn.DelTable(t.table)
	return errors.Join(t.conn.Flush(), t.conn.CloseLasting())
}

// concerns reports whether another program has deleted the table or a part of it. No deletions:
// they are not known.
func (t *Table) concerns(gone []deletion) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return gone == nil || slices.ContainsFunc(gone, func(d deletion) bool { return d.of(t.table) && d.by != t.conn.number })
}

// repair makes the table again if it is not whole, until Close. made: it has done so.
func (t *Table) repair() (made bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false, nil
	}
	if whole, _, err := t.difference(); whole && err == nil {
		return false, nil
	}
	if err := t.install(); err != nil {
		return false, fmt.Errorf("cannot set the policy of the network again (nftables): %w", err)
	}
	return true, nil
}

// of reports whether a deletion is about a table.
func (d deletion) of(t *nftables.Table) bool {
	return d.table == t.Name && d.family == byte(t.Family)
}
