package namespaces

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

func waits(texts ...string) (list []LinkWait) {
	for _, text := range texts {
		w, err := ParseLinkWait(text)
		if err != nil {
			panic(err)
		}
		list = append(list, w)
	}
	return list
}

// waitLinks waits in a child for the interfaces in its environment.
func waitLinks() (any, error) {
	if _, err := fmt.Println(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := WaitForLinks(ctx, waits(strings.Fields(os.Getenv("LINKS"))...), nil)
	return time.Now(), err
}

// Links arrive in a namespace in several ways; each is noticed soon.
func TestWaitForLinksThatArrive(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	ways := map[string]func(ns netns.NsHandle) error{
		"created there": func(ns netns.NsHandle) error {
			return CreateVeth(Veth{Host: "w0", Peer: "web1", Netns: ns})
		},
		"moved there": func(ns netns.NsHandle) error {
			if err := CreateVeth(Veth{Host: "w0", Peer: "web1"}); err != nil {
				return err
			}
			return MoveLink("web1", ns)
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			a, netns := neighbour(t, "wait links", "LINKS=web1")
			a.comeThisFar()
			// The child most likely sleeps then. The test must not depend on it.
			eventually(t, "the child sleeps", func() bool { return stateOf(a.PID) == "S" })
			if err := way(netns); err != nil {
				t.Fatal(err)
			}
			arrived := time.Now()
			var seen time.Time
			a.finish(&seen)
			if late := seen.Sub(arrived); late > 500*time.Millisecond {
				t.Errorf("noticed %v late", late)
			}
			_ = DeleteLink("w0") // it is gone already when the dead namespace has been removed
		})
	}
}

func TestWaitForALinkThatIsRenamed(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	if err := CreateVeth(Veth{Host: "w0", Peer: "tmp"}); err != nil {
		t.Fatal(err)
	}
	tmp, err := netlink.LinkByName("tmp")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error)
	go func() { done <- WaitForLinks(ctx, waits("web1"), nil) }()
	if err := netlink.LinkSetName(tmp, "web1"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWaitForLinksThatAreThere(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, names := range [][]string{nil, {"lo"}, {"lo", "lo"}} {
		if err := WaitForLinks(ctx, waits(names...), nil); err != nil {
			t.Errorf("%q: %v", names, err)
		}
	}
}

func TestWaitForLinksThatNeverCome(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	if err := CreateVeth(Veth{Host: "a", Peer: "b"}); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	var told []LinkWait
	err := WaitForLinks(ctx, []LinkWait{{Name: "web0"}, {Name: "a"}, {Name: "we\nb1"}}, func(missing []LinkWait) { told = missing })
	var missing *MissingLinksError
	if !errors.As(err, &missing) {
		t.Fatalf("%v, want a MissingLinksError", err)
	}
	slices.Sort(missing.Present)
	if want := `no interface "web0", "we\nb1" (existing: a (down), b (down), lo (down))`; err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if want := []LinkWait{{Name: "web0"}, {Name: "we\nb1"}}; !slices.Equal(told, want) {
		t.Errorf("told are %q, want %q", told, want)
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestMissingLinksErrorWithoutAny(t *testing.T) {
	err := &MissingLinksError{Missing: waits("web0")}
	if want := `no interface "web0" (existing: none)`; err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// readFunc is a stream of events.
type readFunc func() error

func (f readFunc) Read([]byte) (int, error) { return 0, f() }

func TestNewsThatWasDropped(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	// The kernel dropped the message about web0, and reports that.
	err := await(t.Context(), waits("web0"), readFunc(func() error {
		if err := CreateVeth(Veth{Host: "web0", Peer: "web1"}); err != nil {
			return err
		}
		return &os.PathError{Op: "read", Err: unix.ENOBUFS}
	}), nil)
	if err != nil {
		t.Errorf("%v after the kernel dropped news", err)
	}
}

func TestNewsThatFails(t *testing.T) {
	err := await(t.Context(), waits("web0"), readFunc(func() error { return io.ErrUnexpectedEOF }), nil)
	if want := "cannot wait for interfaces: unexpected EOF"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
