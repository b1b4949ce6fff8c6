package network

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Clients of a published port wait from Hold on, over the end of the link, until a later link admits
// them. They are refused when none does: the vassal is forgotten, or the next link ends before that.
func TestHold(t *testing.T) {
	if !isolated(t) {
		return
	}
	far, host := outside(t), here(t)
	s := openStage(t, nil)
	wish := routed(t, "8001:8080")
	dial := func(from netns.NsHandle, patience time.Duration) error {
		return inside(t, from, func() error {
			c, err := net.DialTimeout("tcp", "198.18.0.1:8001", patience)
			if err == nil {
				c.Close()
			}
			return err
		})
	}
	waits := func(when string) {
		t.Helper()
		for name, from := range map[string]netns.NsHandle{"host": host, "another host": far} {
			var timeout net.Error
			if err := dial(from, 200*time.Millisecond); !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("%s: a client on the %s: %v", when, name, err)
			}
		}
	}
	refused := func(when string) {
		t.Helper()
		if err := dial(far, 5*time.Second); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("%s: %v", when, err)
		}
	}
	next := func() *Link {
		t.Helper()
		own := newNetns(t)
		serve(t, own, 8080, "a")
		return up(t, s, "a.ini", own, wish)
	}
	hold := func(l *Link) {
		t.Helper()
		if err := s.Clients.Hold(l); err != nil {
			t.Fatal(err)
		}
	}
	down := func(l *Link) {
		t.Helper()
		if err := s.Down(l); err != nil {
			t.Fatal(err)
		}
	}

	first := next()
	if err := dial(far, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	hold(first)
	if err := s.Clients.Admit(first); err != nil { // late, of the generation that ends
		t.Fatal(err)
	}
	waits("before the end of the link")
	down(first)
	waits("without a link")
	waited := make(chan error)
	go func() { waited <- dial(far, 20*time.Second) }()
	second := next()
	waits("before the next generation accepts")
	if err := s.Clients.Admit(second); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Errorf("a client has waited in vain: %v", err)
	}
	if err := dial(host, 5*time.Second); err != nil {
		t.Error(err)
	}

	hold(second)
	down(second)
	s.Forget("a.ini")
	refused("when it is forgotten")

	third := next()
	hold(third)
	down(third)
	fourth := next()
	down(fourth)
	refused("when the next generation ends too")
	if len(s.ports.held)+len(s.Clients.held) > 0 {
		t.Errorf("%d ports and %d vassals are held", len(s.ports.held), len(s.Clients.held))
	}

	quiet := up(t, s, "quiet.ini", newNetns(t), routed(t))
	hold(quiet)
	if len(s.Clients.held) > 0 {
		t.Error("a vassal that publishes nothing is held")
	}
	down(quiet)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
