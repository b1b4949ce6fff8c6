package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// faulty fails at the n-th call, or from then on.
type faulty struct {
	rtnetlink
	left    *atomic.Int64 // also of the goroutine that restores the table
	err     error
	lasting bool
	end     context.CancelCauseFunc // of the time of the call
}

// errSlow lets the time of the stage end during a call.
var errSlow = errors.New("it is slow")

// fail makes the call, or only pretends to have done so when it is time to fail.
func (f faulty) fail(call func() error) error {
	if left := f.left.Add(-1); left > 0 || left < 0 && !f.lasting {
		return call()
	}
	switch {
	case errors.Is(f.err, errSlow):
		f.end(errSlow)
		return call()
	case errors.Is(f.err, unix.EAGAIN), errors.Is(f.err, unix.EINTR): // the answer was lost
		_ = call()
	}
	return f.err
}

func (f faulty) AddVeth(v namespaces.VethPair) (i namespaces.Index, err error) {
	err = f.fail(func() (err error) { i, err = f.rtnetlink.AddVeth(v); return err })
	if err != nil {
		i = 0
	}
	return i, err
}

func (f faulty) AddSublink(s namespaces.Sublink) error {
	return f.fail(func() error { return f.rtnetlink.AddSublink(s) })
}

func (f faulty) Apply(c ...namespaces.Change) error {
	return f.fail(func() error { return f.rtnetlink.Apply(c...) })
}

func (f faulty) Link(i namespaces.Index) (l namespaces.LinkFacts, err error) {
	err = f.fail(func() (err error) { l, err = f.rtnetlink.Link(i); return err })
	return l, err
}

func (f faulty) LinkNamed(name string) (l namespaces.LinkFacts, err error) {
	err = f.fail(func() (err error) { l, err = f.rtnetlink.LinkNamed(name); return err })
	return l, err
}

func (f faulty) PermanentNeighbour(i namespaces.Index, a netip.Addr) (mac net.HardwareAddr, err error) {
	err = f.fail(func() (err error) { mac, err = f.rtnetlink.PermanentNeighbour(i, a); return err })
	return mac, err
}

func (f faulty) WatchRoutes() error { return f.fail(f.rtnetlink.WatchRoutes) }

func (f faulty) RoutesChanged() error { return f.fail(f.rtnetlink.RoutesChanged) }

func (f faulty) RouteTo(a netip.Addr) (i namespaces.Index, err error) {
	err = f.fail(func() (err error) { i, err = f.rtnetlink.RouteTo(a); return err })
	return i, err
}

// A failure of any message of rtnetlink or nftables, once or lasting, undoes everything and names its cause, or the
// message is repeated; the next try succeeds. What a lasting failure leaves is a stray, and nothing is left when that
// is collected.
func TestFailuresAreUndone(t *testing.T) {
	failures(t, limited(routed(t, "8001:8080")), 12, 3, 4)
}

// The same goes for a vassal on a bridge.
func TestFailuresOnABridgeAreUndone(t *testing.T) {
	failures(t, limited(onBridge(t, "", "8001:8080")), 12, 4, 4)
}

// The same goes for an interface in the vassal's namespace alone.
func TestFailuresOfAMacvlanAreUndone(t *testing.T) {
	failures(t, spec.Wish{Mode: spec.Mode{Kind: spec.Macvlan, Of: "up0"}}, 4, 1, 0)
}

func limited(w spec.Wish) spec.Wish {
	w.Limit = spec.Rate{Down: 40e6, Up: 10e6}
	return w
}

// failures lets each call of Up, Down and Change fail, of which there are at least these numbers.
func failures(t *testing.T, wish spec.Wish, up, down, change int) {
	t.Helper()
	if !isolated(t) {
		return
	}
	outside(t)
	settled(t)
	s := openStage(t, withBridge)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	f := newFaults(t, s, wish)
	f.each("Up", up, f.up)
	f.each("Down", down, f.down)
	if change > 0 {
		f.each("Change", change, f.change)
	}
}

// faults lets the calls of a stage fail for a vassal.
type faults struct {
	t     *testing.T
	stage *Stage
	wish  spec.Wish
	sockets
	flush, guards func(*nftables.Conn) error
	empty         string
	generation    uint64
}

func newFaults(t *testing.T, s *Stage, wish spec.Wish) *faults {
	t.Helper()
	f := &faults{t: t, stage: s, wish: wish, sockets: s.sockets, flush: s.table.conn.send, guards: (*nftables.Conn).Flush}
	settled(t)
	if err := s.Down(f.connect(t.Context(), newNetns(t))); err != nil { // a bridge is down after its last port only
		t.Fatal(err)
	}
	f.empty = f.view()
	return f
}

// view describes the host. The kernel changes the state of a bridge some time after its last port.
func (f *faults) view() string {
	f.t.Helper()
	var kept []string
	for line := range strings.Lines(settled(f.t)) {
		if !bridgeState(line) {
			kept = append(kept, line)
		}
	}
	slices.Sort(kept) // a table that is made again is the last one
	return strings.Join(kept, "")
}

// bridgeState reports whether a line of ip(8) has the state of the tests' bridge, with which also its routes change.
func bridgeState(line string) bool {
	return strings.Contains(line, "br-test:") || strings.Contains(line, "br-test ") && !strings.Contains(line, "lladdr") && !strings.Contains(line, "master br-test")
}

// connect is Up without a failure.
func (f *faults) connect(ctx context.Context, ns netns.NsHandle) *Link {
	f.t.Helper()
	f.generation++
	l, err := f.stage.Up(ctx, Request{Vassal: "a.ini", Generation: f.generation, Wish: f.wish, Netns: ns})
	if err != nil {
		f.t.Fatal(err)
	}
	return l
}

// inject lets calls from now on fail, until off. met reports whether one has failed.
func (f *faults) inject(n int, fault error, lasting bool) (ctx context.Context, off func() (met bool)) {
	left := new(atomic.Int64)
	left.Store(int64(n))
	ctx, end := context.WithCancelCause(f.t.Context())
	with := func(r rtnetlink) faulty { return faulty{r, left, fault, lasting, end} }
	s := f.stage
	send := func(flush func(*nftables.Conn) error) func(*nftables.Conn) error {
		return func(c *nftables.Conn) error { return with(nil).fail(func() error { return flush(c) }) }
	}
	f.sends(send(f.flush), send(f.guards))
	s.sockets.open = func() (rtnetlink, error) { r, err := f.open(); return with(r), err }
	s.sockets.enter = func(ns netns.NsHandle) (rtnetlink, error) { r, err := f.enter(ns); return with(r), err }
	s.sockets.sweep = func(links []namespaces.Peer) error { return with(nil).fail(func() error { return f.sweep(links) }) }
	f.renew()
	return ctx, func() bool {
		end(nil)
		f.sends(f.flush, nil)
		s.sockets.open, s.sockets.enter, s.sockets.sweep = f.open, f.enter, f.sweep
		f.renew()
		return left.Load() <= 0
	}
}

// sends replaces the functions by which nftables gets its messages.
func (f *faults) sends(table, guards func(*nftables.Conn) error) {
	t, g := f.stage.table, &f.stage.guards
	t.mu.Lock()
	t.conn.send = table
	t.mu.Unlock()
	g.mu.Lock()
	g.send = guards
	g.mu.Unlock()
}

// renew closes the sockets of the workers.
func (f *faults) renew() {
	for range workers {
		if r := <-f.stage.sockets.turns; r != nil {
			r.Close()
		}
		f.stage.sockets.turns <- nil
	}
}

// each lets each call of an operation fail, of which there are at least least. The operation returns its error and
// whether a call has failed, when the faults are over.
func (f *faults) each(what string, least int, operation func(n int, fault error, lasting bool) (met bool, err error)) {
	f.t.Helper()
	for _, lasting := range []bool{false, true} {
		faults := []error{unix.ENOBUFS, unix.EAGAIN, unix.EBUSY, unix.EEXIST, unix.EPERM, unix.EINTR, errSlow}
		if lasting {
			faults = faults[:2] // without an effect, and with one
		}
		for _, fault := range faults {
			n := 1
			for ; ; n++ {
				met, err := operation(n, fault, lasting)
				at := fmt.Sprintf("%s of %s: %v at call %d, lasting %v", what, f.wish.Mode, fault, n, lasting)
				if err != nil && (!met || !errors.Is(err, fault)) {
					f.t.Errorf("%s: %v", at, err)
				}
				if lasting {
					if _, _, err := (Auditor{f.stage}).CollectStray(known("a.ini"), false); err != nil {
						f.t.Errorf("%s: %v", at, err)
					}
				}
				if now := f.view(); now != f.empty {
					f.t.Fatalf("%s has left:\n%s", at, difference(f.empty, now))
				}
				if !met {
					break
				}
			}
			if n <= least {
				f.t.Errorf("%s of %s: only %d calls were tried", what, f.wish.Mode, n-1)
			}
		}
	}
}

// end removes the interface in a namespace, as the kernel does after the end of its processes. The test keeps it.
func (f *faults) end(ns netns.NsHandle) {
	f.t.Helper()
	if f.wish.Mode.Kind == spec.Macvlan {
		_ = inside(f.t, ns, func() error { return exec.Command("ip", "link", "delete", "eth0").Run() })
	}
}

func (f *faults) up(n int, fault error, lasting bool) (met bool, err error) {
	ctx, off := f.inject(n, fault, lasting)
	f.generation++
	ns := newNetns(f.t)
	l, err := f.stage.Up(ctx, Request{Vassal: "a.ini", Generation: f.generation, Wish: f.wish, Netns: ns})
	met = off()
	if err != nil {
		f.end(ns)
	}
	if err != nil && !strings.HasPrefix(err.Error(), "cannot connect it to the network: ") {
		f.t.Errorf("the error is %v", err)
	}
	if err == nil {
		if err := f.stage.Down(l); err != nil {
			f.t.Fatal(err)
		}
	}
	return met, err
}

func (f *faults) down(n int, fault error, lasting bool) (met bool, err error) {
	ns := newNetns(f.t)
	l := f.connect(f.t.Context(), ns)
	_, off := f.inject(n, fault, lasting)
	err = f.stage.Down(l)
	met = off()
	if err != nil {
		f.end(ns)
	}
	switch {
	case err != nil && !lasting:
		f.t.Errorf("one failure is not repaired: %v", err)
	case err != nil && !strings.HasPrefix(err.Error(), "cannot disconnect it from the network: "):
		f.t.Errorf("the error is %v", err)
	}
	return met, err
}

// change lets a vassal publish another port and have another rate. After an error the old ones are in effect.
func (f *faults) change(n int, fault error, lasting bool) (met bool, err error) {
	ns := newNetns(f.t)
	l := f.connect(f.t.Context(), ns)
	state := func() string { // the order of elements is any
		return nft(f.t, "-s", "list", "ruleset") + ip(f.t, netns.None(), "link", "show", l.HostInterface) + tc(f.t, here(f.t)) + tc(f.t, ns)
	}
	sorted := func(text string) string {
		lines := strings.Split(text, "\n")
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	before := sorted(state())
	wish := f.wish
	wish.Publish, wish.Limit = publications(f.t, "8002:8080"), spec.Rate{Down: 50e6, Up: 20e6}
	ctx, off := f.inject(n, fault, lasting)
	err = f.stage.Change(ctx, l, wish, ns)
	met = off()
	after := sorted(state())
	switch {
	case err != nil && !lasting && after != before:
		f.t.Errorf("%v at call %d of a change has left\n%s", fault, n, difference(before, after))
	case err == nil && !strings.Contains(after, "8002"):
		f.t.Errorf("%v at call %d of a change: no error, and no change:\n%s", fault, n, after)
	}
	if err := f.stage.Down(l); err != nil {
		f.t.Fatal(err)
	}
	for _, port := range []string{":8001", ":8002"} {
		free, err := net.Listen("tcp", port)
		if err != nil {
			f.t.Fatalf("%v at call %d of a change: %v", fault, n, err)
		}
		free.Close()
	}
	return met, err
}

// tc lists the queues of a namespace.
func tc(t *testing.T, ns netns.NsHandle) (out string) {
	t.Helper()
	if err := inside(t, ns, func() error {
		b, err := exec.Command("tc", "qdisc", "show").CombinedOutput()
		out = string(b)
		return err
	}); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}
