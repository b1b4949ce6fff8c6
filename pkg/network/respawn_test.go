package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// respawns is the number of generations of a vassal that get clients at once.
const respawns = 80

// A vassal takes packets to its addresses, of both families, from the moment when its Up returns: no client
// repeats a packet, neither on the host nor in another vassal.
func TestClientsAfterARespawn(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	s := openStage(t, func(c *Config) { c.Between = true })
	defer s.Close()
	host, peer := here(t), newNetns(t)
	other := up(t, s, "peer.ini", peer, routed(t))
	for generation := range uint64(respawns) {
		own := newNetns(t)
		serve(t, own, 8080, "a")
		l, err := s.Up(t.Context(), Request{Vassal: "a.ini", Generation: generation, Wish: routed(t), Netns: own})
		if err != nil {
			t.Fatal(err)
		}
		if why := (Auditor{s}).Inside("a.ini", own); len(why) > 0 {
			t.Errorf("generation %d: %s", generation, why)
		}
		for _, a := range l.Addresses {
			for _, from := range []netns.NsHandle{host, peer} {
				if n, err := repeated(t, from, netip.AddrPortFrom(a, 8080)); err != nil || n > 0 {
					t.Errorf("generation %d: %d packets to %s are repeated: %v", generation, n, a, err)
				}
			}
		}
		if err := s.Down(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Down(other); err != nil {
		t.Fatal(err)
	}
}

// repeated connects from a namespace, and returns the number of packets that its kernel had to repeat.
func repeated(t *testing.T, from netns.NsHandle, to netip.AddrPort) (n uint32, err error) {
	t.Helper()
	err = inside(t, from, func() error {
		c, err := net.DialTimeout("tcp", to.String(), 5*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		raw, err := c.(syscall.Conn).SyscallConn()
		if err != nil {
			return err
		}
		var info *unix.TCPInfo
		control := raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
		if control != nil || err != nil {
			return fmt.Errorf("%w, %w", control, err)
		}
		n = info.Total_retrans
		return nil
	})
	return n, err
}

// Clients that try all the time, also while a link goes and the next one comes, are served or refused at once: all but a few,
// whose packet the kernel has accepted for the link just before it goes, and which their senders repeat after a second.
func TestClientsDuringARespawn(t *testing.T) {
	if !isolated(t) {
		return
	}
	outside(t)
	s := openStage(t, nil)
	defer s.Close()
	host := here(t)
	connect := func(generation uint64) *Link {
		own := newNetns(t)
		serve(t, own, 8080, "a")
		l, err := s.Up(t.Context(), Request{Vassal: "a.ini", Generation: generation, Wish: routed(t), Netns: own})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := connect(0)
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var served, late atomic.Int64
	for _, a := range l.Addresses {
		for range 2 {
			clients.Go(func() {
				for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
					began := time.Now()
					n, err := repeated(t, host, netip.AddrPortFrom(a, 8080))
					if n > 0 || errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > 900*time.Millisecond {
						t.Logf("%s: %d packets are repeated in %v, %v", a, n, time.Since(began), err)
						late.Add(1)
					}
					if err == nil {
						served.Add(1)
					}
				}
			})
		}
	}
	for generation := range uint64(respawns) {
		if err := s.Down(l); err != nil {
			t.Fatal(err)
		}
		l = connect(generation + 1)
	}
	stop()
	clients.Wait()
	if n := late.Load(); n > respawns/20 {
		t.Errorf("%d clients are late in %d generations", n, respawns)
	}
	if served.Load() < respawns/8 {
		t.Errorf("only %d clients are served", served.Load())
	}
	if n := s.Stats().Spoofed; n > 0 {
		t.Errorf("%d answers are taken for forged packets", n)
	}
}
