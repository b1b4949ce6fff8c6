package namespaces

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A link is recognized by its index and its address, whatever its name is now.
func TestRemaining(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	_, netns := neighbour(t, "interfaces")
	for _, name := range []string{"same", "renamed", "gone", "other"} {
		if err := CreateVeth(Veth{Host: name, Peer: name, Netns: netns}); err != nil {
			t.Fatal(err)
		}
	}
	noted, err := PeersOf(netns)
	if err != nil || len(noted) != 4 {
		t.Fatalf("noted %v, %v", noted, err)
	}
	if err := DeleteLink("gone"); err != nil {
		t.Fatal(err)
	}
	renamed, err := netlink.LinkByName("renamed")
	if err != nil {
		t.Fatal(err)
	}
	other, err := netlink.LinkByName("other")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		netlink.LinkSetName(renamed, "new"), netlink.LinkSetHardwareAddr(other, mac(t, "02:00:00:00:00:09")),
		CreateVeth(Veth{Host: "gone", Peer: "again", Netns: netns}), // the same name is not enough
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	there, err := Remaining(noted)
	var names []string
	for _, l := range there {
		names = append(names, l.Name)
	}
	if got := strings.Join(names, " "); err != nil || got != "same new" {
		t.Errorf("%q, %v", got, err)
	}
}

// Links of a dying network namespace are waited for; links of a living one are not.
func TestAwaitDoomed(t *testing.T) {
	if !isolated(t, inNewNet()) {
		return
	}
	_, living := neighbour(t, "interfaces")
	if err := CreateVeth(Veth{Host: "stays", Peer: "p", Netns: living}); err != nil {
		t.Fatal(err)
	}
	short, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer end()
	stays, err := NetworkNumber(living)
	if err != nil {
		t.Fatal(err)
	}
	want := "links of dying network namespaces still exist: stays"
	if err := AwaitDoomed(short, []int{stays}); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	for range 5 {
		a, dying := openNeighbour(t, "interfaces")
		for _, name := range []string{"a", "b", "c"} {
			if err := CreateVeth(Veth{Host: name, Peer: name, Netns: dying}); err != nil {
				t.Fatal(err)
			}
		}
		number, err := NetworkNumber(dying)
		if err != nil {
			t.Fatal(err)
		}
		dying.Close()
		a.finish(&map[string]link{})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := AwaitDoomed(ctx, []int{number}); err != nil {
			t.Error(err)
		}
		cancel()
		for _, name := range []string{"a", "b", "c"} {
			if _, err := net.InterfaceByName(name); err == nil {
				t.Errorf("%s is still there", name)
			}
		}
	}
	if _, err := net.InterfaceByName("stays"); err != nil {
		t.Error(err)
	}
}

// A process is killed by its identity; another process with the same pid is not.
func TestIdentity(t *testing.T) {
	needRoot(t)
	a := act(t, newSpawner(t), "interfaces", Command{Namespaces: NewNet})
	a.comeThisFar()
	who, err := IdentityOf(a.PID)
	if err != nil {
		t.Fatal(err)
	}
	own, err := IdentityOf(os.Getpid())
	if err != nil || own == who || !own.Lives() || !who.Lives() {
		t.Errorf("this process is %+v, %v, its child %+v", own, err, who)
	}
	for _, other := range []Identity{
		{}, {who.Boot, who.Space, who.PID, who.Start + 1}, {who.Boot, who.Space + 1, who.PID, who.Start}, {"x", who.Space, who.PID, who.Start},
	} {
		if err := other.End(t.Context()); err != nil || other.Lives() {
			t.Errorf("%+v: %v", other, err)
		}
	}
	if a.Dead() {
		t.Fatal("a process was killed that has only the same pid")
	}
	soon, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := who.End(soon); err != nil || !a.Dead() {
		t.Errorf("%v, and it is dead: %v", err, a.Dead())
	}
	if _, err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	if who.Lives() {
		t.Error("it lives after it was reaped")
	}
	if err := who.End(t.Context()); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

// Two network namespaces have different identities.
func TestNetworkID(t *testing.T) {
	needRoot(t)
	here, err := NetworkID()
	again, failed := NetworkID()
	if err = errors.Join(err, failed); err != nil || here != again {
		t.Errorf("%q, then %q, %v", here, again, err)
	}
	there := make(chan string)
	go func() {
		runtime.LockOSThread() // and never unlocked
		id, err := "", unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			id, err = NetworkID()
		}
		if err != nil {
			t.Error(err)
		}
		there <- id
	}()
	if id := <-there; id == here {
		t.Errorf("%q is both", id)
	}
}
