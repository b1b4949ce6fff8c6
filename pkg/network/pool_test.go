package network

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, t := range texts {
		list = append(list, netip.MustParsePrefix(t))
	}
	return list
}

func newPool(t *testing.T, dir string, texts ...string) *Pool {
	t.Helper()
	p, err := NewPool(dir, prefixes(texts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustLease(t *testing.T, p *Pool, name string) (list []netip.Addr, reused bool) {
	t.Helper()
	list, reused, err := p.Lease(name)
	if err != nil {
		t.Fatal(err)
	}
	return list, reused
}

// A vassal has the same address again after its end, and after the emperor's.
func TestPoolGivesTheSameAddressAgain(t *testing.T) {
	dir := t.TempDir()
	p := newPool(t, dir, "10.9.0.0/24", "fd09::/64")
	names := []string{"a.ini", "b.ini", strings.Repeat("x", 255), "$(touch x).ini", "dir/c.ini"}
	had := map[string]string{}
	for _, name := range names {
		list, reused := mustLease(t, p, name)
		if len(list) != 2 || !list[0].Is4() || !list[1].Is6() || reused {
			t.Fatalf("%q has %v", name, list)
		}
		for other, addresses := range had {
			if addresses == fmt.Sprint(list) {
				t.Errorf("%q and %q share %v", name, other, list)
			}
		}
		had[name] = fmt.Sprint(list)
	}
	if err := p.Release("a.ini"); err != nil {
		t.Fatal(err)
	}
	for _, pool := range []*Pool{p, newPool(t, dir, "10.9.0.0/24", "fd09::/64")} {
		for i := len(names) - 1; i >= 0; i-- {
			if list, reused := mustLease(t, pool, names[i]); fmt.Sprint(list) != had[names[i]] || reused {
				t.Errorf("%q has %v, had %v", names[i], list, had[names[i]])
			}
		}
	}
	if err := p.Close(false); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(dir + "/*"); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// A full pool is an error of its own. Released addresses go to others last, the oldest first.
func TestPoolIsFull(t *testing.T) {
	p := newPool(t, t.TempDir(), "10.9.0.0/29") // 2 to 6
	for i := range 5 {
		if list, _ := mustLease(t, p, fmt.Sprint(i)); list[0].As4()[3] < 2 || list[0].As4()[3] > 6 {
			t.Errorf("%v is not a vassal's", list)
		}
	}
	_, _, err := p.Lease("one more")
	if full, ok := errors.AsType[*FullError](err); !ok || !strings.Contains(full.Error(), "emperor-network-pool") {
		t.Fatalf("a full pool: %v", err)
	}
	first, _ := mustLease(t, p, "3")
	for _, name := range []string{"3", "1"} {
		if err := p.Release(name); err != nil {
			t.Fatal(err)
		}
	}
	if list, reused := mustLease(t, p, "one more"); list[0] != first[0] || !reused {
		t.Errorf("got %v (reused %v), want the one that was released first, %v", list, reused, first)
	}
	if _, _, err := p.Lease("3"); err != nil {
		t.Errorf("its former owner gets another one: %v", err)
	}
	if _, _, err := p.Lease("1"); err == nil {
		t.Error("a seventh vassal has an address")
	}
}

// Leases follow a model in random order.
func TestPoolAtRandom(t *testing.T) {
	p := newPool(t, t.TempDir(), "10.9.0.0/27")
	used := map[string]netip.Addr{}
	for range 600 {
		name := fmt.Sprint(rand.IntN(45))
		if _, ok := used[name]; ok {
			if err := p.Release(name); err != nil {
				t.Fatal(err)
			}
			delete(used, name)
			continue
		}
		list, _, err := p.Lease(name)
		if (err != nil) != (len(used) == 29) {
			t.Fatalf("with %d of 29 in use: %v", len(used), err)
		}
		if err != nil {
			continue
		}
		for other, a := range used {
			if a == list[0] {
				t.Fatalf("%s and %s share %s", name, other, a)
			}
		}
		used[name] = list[0]
	}
}

func TestPoolRefuses(t *testing.T) {
	for _, texts := range [][]string{{"10.0.0.0/31"}, {"fd00::/127"}, {"10.0.0.0/24", "10.1.0.0/24"}} {
		if _, err := NewPool(t.TempDir(), prefixes(texts...)...); err == nil {
			t.Errorf("%v is a pool", texts)
		}
	}
	if _, err := NewPool("/dev/null/x", prefixes("10.0.0.0/24")...); err == nil {
		t.Error("a pool without a directory for its leases")
	}
}

// Broken files of leases are no leases, and a directory that was removed is made again.
func TestPoolSurvivesItsFiles(t *testing.T) {
	dir := t.TempDir() + "/net"
	p := newPool(t, dir, "10.9.0.0/24")
	list, _ := mustLease(t, p, "a.ini")
	files, _ := filepath.Glob(dir + "/*")
	if len(files) != 1 {
		t.Fatalf("files %v", files)
	}
	for _, text := range []string{"", "{", `{"name":"other","number":5}`, `{"name":"a.ini","number":5000}`} {
		if err := os.WriteFile(files[0], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if again, _ := mustLease(t, newPool(t, dir, "10.9.0.0/24"), "a.ini"); again[0] != list[0] {
			t.Errorf("after %q: %v, want %v", text, again, list)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Lease("b.ini"); err != nil {
		t.Errorf("without its directory: %v", err)
	}
}

// The automatic pool avoids what the host uses, and is the same for the same host.
func TestAutoPool(t *testing.T) {
	one, err := AutoPool("machine", nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := AutoPool("machine", prefixes("0.0.0.0/0", "192.168.0.0/16"))
	if err != nil || fmt.Sprint(one) != fmt.Sprint(again) {
		t.Errorf("%v and %v (%v) for one machine", one, again, err)
	}
	other, err := AutoPool("machine", append(one, netip.MustParsePrefix("10.128.0.0/10")))
	if err != nil || overlaps(other[0], one) || overlaps(other[1], one) || other[0].Overlaps(netip.MustParsePrefix("10.128.0.0/10")) {
		t.Errorf("%v overlaps (%v)", other, err)
	}
	if _, err := AutoPool("machine", prefixes("10.0.0.0/8")); err == nil || !strings.Contains(err.Error(), "emperor-network-pool") {
		t.Errorf("without room: %v", err)
	}
}
