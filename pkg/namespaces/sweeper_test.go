package namespaces

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// pairs makes n pairs of interfaces here and returns the first end of each.
func pairs(t testing.TB, n int) (made []Peer) {
	t.Helper()
	for i := range n {
		name := fmt.Sprint("h", i)
		if err := CreateVeth(Veth{Host: name, Peer: fmt.Sprint("p", i)}); err != nil {
			t.Fatal(err)
		}
		made = append(made, Peer{Index: indexOf(t, name), Name: name})
	}
	return made
}

func indexOf(t testing.TB, name string) int {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return link.Attrs().Index
}

// Each caller gets its answer when its own links are gone, also when others delete links, and
// when the links are gone already.
func TestSweeper(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	const n = 300 // more than one batch
	links := pairs(t, n)
	links = append(links, Peer{Index: 1 << 20, Name: "never-there"})
	s := NewSweeper()
	defer s.Close()
	var group sync.WaitGroup
	for some := range slices.Chunk(links[3:], 7) {
		group.Go(func() {
			if err := s.Delete(some); err != nil {
				t.Error(err)
			}
			for _, l := range some {
				if _, err := netlink.LinkByIndex(l.Index); err == nil {
					t.Errorf("%s is still there", l.Name)
				}
			}
		})
	}
	group.Wait()
	if got := strings.Join(linkNames(t), " "); got != "h0 h1 h2 lo p0 p1 p2" {
		t.Errorf("links after that: %s", got)
	}
	for range 2 { // the second time they do not exist
		if err := (*Sweeper)(nil).Delete(links[1:4]); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(linkNames(t), " "); got != "h0 lo p0" {
		t.Errorf("links after that: %s", got)
	}
}

// A foreign interface in the group prevents no deletion, and an interface that cannot be
// deleted is named.
func TestSweeperFindsTheGroupInUse(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetGroup(lo, DyingGroup); err != nil {
		t.Fatal(err)
	}
	s := NewSweeper()
	defer s.Close()
	links := pairs(t, 3)
	if err := s.Delete(links[:2]); err != nil {
		t.Error(err)
	}
	err = s.Delete([]Peer{links[2], {Index: 1, Name: "lo"}})
	if want := `cannot delete link "lo": ` + unix.EOPNOTSUPP.Error(); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if got := strings.Join(linkNames(t), " "); got != "lo" {
		t.Errorf("links after that: %s", got)
	}
}

// BenchmarkDelete compares deleting 100 interfaces one by one with one sweep. It needs a
// network namespace of its own: unshare -n.
func BenchmarkDelete(b *testing.B) {
	needRoot(b)
	for name, remove := range map[string]func([]Peer) error{
		"sweep": func(links []Peer) error { return (*Sweeper)(nil).Delete(links) },
		"each": func(links []Peer) error {
			for _, l := range links {
				if err := (*Sweeper)(nil).Delete([]Peer{l}); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				links := pairs(b, 100)
				b.StartTimer()
				if err := remove(links); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A sweep whose answers are unknown is repeated once.
func TestSweeperRepeats(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	for failures, fails := range []bool{1: false, 2: true} {
		links := pairs(t, 3)
		left := failures
		s := NewSweeper()
		s.open = func() (*rtnl, error) {
			r, err := openRtnl()
			if left--; left >= 0 {
				r.close()
			}
			return r, err
		}
		if err := s.Delete(links); (err != nil) != fails {
			t.Errorf("after %d failures: %v", failures, err)
		}
		s.Close()
		if err := (*Sweeper)(nil).Delete(links); err != nil {
			t.Error(err)
		}
	}
}
