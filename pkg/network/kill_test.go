package network

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// soaking reports whether long tests run (make soak).
func soaking() bool { return os.Getenv("EMPEROR_SOAK") != "" }

// killEnv has the moment at which a process kills itself, its mode and its directory.
const killEnv = "NETWORK_TEST_KILL"

// deadly kills its own process at one of its calls, before the kernel gets the message or after.
type deadly struct {
	rtnetlink
	moment *moment
}

// moment counts events down.
type moment struct{ left int }

func (m *moment) pass() {
	if m.left--; m.left == 0 {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
}

func (d deadly) AddVeth(v namespaces.VethPair) (namespaces.Index, error) {
	d.moment.pass()
	defer d.moment.pass()
	return d.rtnetlink.AddVeth(v)
}

func (d deadly) AddSublink(s namespaces.Sublink) error {
	d.moment.pass()
	defer d.moment.pass()
	return d.rtnetlink.AddSublink(s)
}

func (d deadly) Apply(c ...namespaces.Change) error {
	d.moment.pass()
	for _, one := range c { // the kernel takes them one by one
		if err := d.rtnetlink.Apply(one); err != nil {
			return err
		}
		d.moment.pass()
	}
	return nil
}

// isDoomed plays the emperor that is killed, in a process of its own.
func isDoomed(t *testing.T) bool {
	t.Helper()
	var left int
	var kind, dir string
	if n, _ := fmt.Sscan(os.Getenv(killEnv), &left, &kind, &dir); n != 3 {
		return false
	}
	m := &moment{}
	s := openStage(t, func(c *Config) { withBridge(c); c.Dir = dir })
	up(t, s, "neighbour.ini", netns.NsHandle(3), routed(t, "8002:8080"))
	open, enter, send := s.sockets.open, s.sockets.enter, s.table.conn.send
	s.sockets.open = func() (rtnetlink, error) { n, err := open(); return deadly{n, m}, err }
	s.sockets.enter = func(ns netns.NsHandle) (rtnetlink, error) { n, err := enter(ns); return deadly{n, m}, err }
	s.table.conn.send = func(c *nftables.Conn) error { m.pass(); defer m.pass(); return send(c) }
	s.reached = m.pass
	for range workers {
		if n := <-s.sockets.turns; n != nil {
			n.Close()
		}
		s.sockets.turns <- nil
	}
	m.left = left
	l := up(t, s, "a.ini", netns.NsHandle(4), doomedWish(t, kind))
	if err := s.Down(l); err != nil {
		t.Fatal(err)
	}
	if m.left <= 0 {
		t.Fatal("it has survived")
	}
	os.Exit(survived)
	return true
}

// survived is the exit status of a process that had no such moment.
const survived = 77

func doomedWish(t *testing.T, kind string) spec.Wish {
	t.Helper()
	w := spec.Wish{Mode: spec.Mode{Kind: spec.Kind(kind)}, Limit: spec.Rate{Down: 40e6, Up: 10e6}, Publish: publications(t, "8001:8080", "8003:80/udp")}
	w.Allow = []spec.Allowance{{Prefix: netip.MustParsePrefix("198.18.0.0/16"), Port: 8080, Protocol: spec.TCP}}
	if kind == string(spec.Macvlan) {
		return spec.Wish{Mode: spec.Mode{Kind: spec.Macvlan, Of: "up0"}}
	}
	return w
}

// An emperor that is killed at any step of a connection or of its end, before or after any message,
// leaves nothing after the next start, nor after Collect, and nothing foreign is touched.
func TestKilledAtEachStep(t *testing.T) {
	if isDoomed(t) || !isolated(t) {
		return
	}
	outside(t)
	ip(t, netns.None(), "link", "add", "evsforeign", "type", "veth", "peer", "name", "foreign1")
	ip(t, netns.None(), "route", "add", "192.0.2.0/24", "via", "198.18.0.2", "proto", "231")
	nft(t, "add", "table", "inet", "emperor-foreign")
	before := settled(t)
	step := 3 // in the end all kinds of moments are met
	if soaking() {
		step = 1
	}
	for kind, least := range map[spec.Kind]int{spec.Routed: 30, spec.Bridge: 30, spec.Macvlan: 8} {
		n := 1
		for killedAt(t, n, string(kind), before) {
			n += step
		}
		if n < least {
			t.Errorf("%s: only %d moments", kind, n)
		}
	}
	if soaking() {
		kinds := []spec.Kind{spec.Routed, spec.Bridge, spec.Macvlan}
		for range 200 {
			killedAt(t, 1+rand.IntN(45), string(kinds[rand.IntN(3)]), before)
		}
	}
}

// killedAt lets an emperor die at its n-th moment, and reports whether it had one.
func killedAt(t *testing.T, n int, kind, before string) bool {
	t.Helper()
	dir := t.TempDir() + "/network"
	first, second := newNetns(t), newNetns(t) // a process keeps them
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s %s", killEnv, n, kind, dir))
	for _, ns := range []netns.NsHandle{first, second} {
		own, err := namespaces.DuplicateNetwork(ns) // a file closes its descriptor
		if err != nil {
			t.Fatal(err)
		}
		file := os.NewFile(uintptr(own), "namespace")
		defer file.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("%s, moment %d: %v\n%s", kind, n, err, out)
	}
	status := exit.Sys().(syscall.WaitStatus)
	if status.Signal() != syscall.SIGKILL && status.ExitStatus() != survived {
		t.Fatalf("%s, moment %d: %v\n%s", kind, n, err, out)
	}
	if n%2 == 0 {
		if s := openStage(t, func(c *Config) { withBridge(c); c.Dir = dir }); s.Close() != nil {
			t.Error("the next emperor does not end")
		}
	} else if err := Collect(dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Errorf("%s, moment %d: %v", kind, n, err)
	}
	if after := settled(t); after != before {
		t.Fatalf("%s, moment %d: the host has changed:\n%s", kind, n, difference(before, after))
	}
	for _, ns := range []netns.NsHandle{first, second} {
		if links := ip(t, ns, "-o", "link"); strings.Contains(links, "eth0") && kind != string(spec.Macvlan) {
			t.Fatalf("%s, moment %d: left inside: %s", kind, n, links)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s, moment %d: records are left", kind, n)
	}
	return status.Signal() == syscall.SIGKILL
}

// Many vassals that come, go, change and lose their links in random order leave everything as it was.
func TestRandomCycles(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	cycles := 500
	if soaking() {
		cycles = 10_000
	}
	sweeper := namespaces.NewSweeper()
	defer sweeper.Close()
	s := openStage(t, func(c *Config) { withBridge(c); c.Sweeper = sweeper })
	const vassals = 16
	ns := make([]netns.NsHandle, vassals)
	for i := range ns {
		ns[i] = newNetns(t)
	}
	round := func(i int, r *rand.Rand) {
		name := "v" + strconv.Itoa(i) + ".ini"
		wish := routed(t, fmt.Sprintf("%d:80", 20000+i))
		if r.IntN(4) == 0 {
			wish = onBridge(t, "", fmt.Sprintf("%d:80/udp", 20000+i))
		}
		wish.Allow = []spec.Allowance{{Vassal: "v" + strconv.Itoa(r.IntN(vassals))}}
		if wish.Mode.Kind == spec.Bridge {
			wish.Allow = nil
		}
		if r.IntN(3) == 0 {
			wish.Limit = spec.Rate{Down: 40e6, Up: 10e6}
		}
		l, err := s.Up(t.Context(), Request{Vassal: name, Generation: r.Uint64(), Wish: wish, Netns: ns[i], Lost: func(string) {}})
		if err != nil {
			t.Error(err)
			return
		}
		if r.IntN(3) == 0 {
			wish.Publish, wish.Limit = publications(t, fmt.Sprintf("%d:81", 21000+i)), spec.Rate{Up: 1e9, Down: 1e9}
			if err := s.Change(t.Context(), l, wish, ns[i]); err != nil {
				t.Error(err)
			}
		}
		if r.IntN(8) == 0 { // by another program
			if n, err := namespaces.OpenNetlink(); err == nil {
				_ = n.Apply(l.Index.Delete())
				n.Close()
			}
		}
		if err := s.Down(l); err != nil {
			t.Error(err)
		}
		s.Forget(name)
	}
	all := func(cycles int) {
		done := make(chan bool)
		for i := range vassals {
			go func() {
				r := rand.New(rand.NewPCG(uint64(i), uint64(cycles)))
				for range cycles / vassals {
					round(i, r)
				}
				done <- true
			}()
		}
		for range vassals {
			<-done
		}
	}
	view := func() string {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range s.pool.leases {
			if l.Released.IsZero() {
				t.Errorf("%s has its addresses still", l.Name)
			}
		}
		text := fmt.Sprintf("%d descriptors, %d links, %d ports\n", len(files), len(s.links), len(s.ports.held))
		for line := range strings.Lines(settled(t)) {
			if bridge := strings.Contains(line, "br-test"); !bridge || strings.Contains(line, "lladdr") || strings.Contains(line, "master") { // its state changes some time later
				text += line
			}
		}
		return text
	}
	all(4 * vassals) // sockets are open, and each vassal has had addresses
	before := view()
	all(cycles)
	if after := view(); after != before {
		t.Errorf("it has changed:\n%s", difference(before, after))
	}
	for i := range ns {
		if links := ip(t, ns[i], "-o", "link"); strings.Contains(links, "eth0") {
			t.Errorf("left inside: %s", links)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// difference returns the lines that two texts do not share.
func difference(before, after string) string {
	var text strings.Builder
	for _, side := range []struct{ mark, of, other string }{{"- ", before, after}, {"+ ", after, before}} {
		for line := range strings.Lines(side.of) {
			if !strings.Contains(side.other, line) {
				text.WriteString(side.mark + line)
			}
		}
	}
	return text.String()
}

// A listing that changes interrupt is repeated, and one that is always interrupted is an error.
func TestInterruptedListing(t *testing.T) {
	left := 3
	list := func() ([]int, error) {
		if left--; left >= 0 {
			return []int{1}, netlink.ErrDumpInterrupted
		}
		return []int{1, 2}, nil
	}
	if got, err := complete(list); err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	left = 1000
	if got, err := complete(list); !errors.Is(err, unix.EINTR) {
		t.Errorf("%v, %v", got, err)
	}
}
