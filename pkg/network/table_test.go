package network

import (
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

func nft(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("nft")
	if err != nil {
		t.Skip("nft is not installed")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("nft %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// openTable makes a table, which is repaired until the end of the test.
func openTable(t *testing.T, p Policy) (*Table, chan struct{}) {
	t.Helper()
	restored := make(chan struct{}, 10)
	gone, err := watchDeletions()
	if err != nil {
		t.Fatal(err)
	}
	table, err := OpenTable("0123456789ab", p)
	if err != nil {
		t.Fatal(err)
	}
	go gone.follow(func(d []deletion) {
		if !table.concerns(d) {
			return
		}
		if made, err := table.repair(); err != nil {
			t.Error(err)
		} else if made {
			restored <- struct{}{}
		}
	}, slog.New(slog.DiscardHandler))
	t.Cleanup(gone.close)
	return table, restored
}

// The policy reads in nft's words as it is meant.
func TestPolicy(t *testing.T) {
	if !isolated(t) {
		return
	}
	ports, err := spec.ParsePorts("5432")
	if err != nil {
		t.Fatal(err)
	}
	at, err := spec.ParsePorts("192.0.2.1:53/udp")
	if err != nil {
		t.Fatal(err)
	}
	table, _ := openTable(t, Policy{
		Group: 0x65abcdee, Pool: prefixes("10.9.0.0/16", "fd09::/64"), NAT: [2]bool{true, false},
		HostPorts: []spec.Ports{ports, at}, Guarded: []string{"up0"},
	})
	defer table.Close()
	got := nft(t, "list", "table", "inet", "emperor-0123456789ab")
	want, err := os.ReadFile("testdata/policy.nft")
	if os.Getenv("EMPEROR_FIX_DOCS") != "" {
		if err := os.WriteFile("testdata/policy.nft", []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil || got != string(want) {
		t.Errorf("the policy is %v\n%s", err, got)
	}
}

func publications(t *testing.T, texts ...string) (list []spec.Publication) {
	t.Helper()
	for _, text := range texts {
		p, err := spec.ParsePublication(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// The elements of a vassal come and go, and are there again after others have deleted the table.
func TestTableIsMadeAgain(t *testing.T) {
	if !isolated(t) {
		return
	}
	table, restored := openTable(t, Policy{Group: 0x65abcdee, Pool: prefixes("10.9.0.0/16", "fd09::/64")})
	allowed := []Allowed{
		{From: prefixes("10.9.0.8/32", "fd09::8/128"), Port: 8080, Protocol: spec.TCP},
		{From: prefixes("192.0.2.0/24")},
	}
	elements := elementsOf(addresses("10.9.0.7", "fd09::7"), publications(t, "8001:8080", "192.0.2.1:53/udp", "9000-9001:7000"), allowed)
	if err := table.Replace(nil, elements); err != nil {
		t.Fatal(err)
	}
	whole := nft(t, "list", "table", "inet", "emperor-0123456789ab")
	for _, want := range []string{
		"tcp . 8001 : 10.9.0.7 . 8080", "tcp . 8001 : fd09::7 . 8080", "tcp . 9001 : 10.9.0.7 . 7001",
		"192.0.2.1 . udp . 53 : 10.9.0.7 . 53", "10.9.0.7 . 10.9.0.7", "10.9.0.8 . 10.9.0.7 . tcp . 8080",
		"192.0.2.0/24 . 10.9.0.7 . 0-255 . 0-65535", "fd09::8 . fd09::7 . tcp . 8080",
	} {
		if !strings.Contains(whole, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() {
		t.Log(whole)
	}
	const own = "emperor-0123456789ab"
	for _, how := range [][]string{
		{"flush", "ruleset"},
		{"delete", "table", "inet", own},
		{"flush", "table", "inet", own},
		{"flush", "chain", "inet", own, "forward"},
		{"flush", "map", "inet", own, "publish4"},
		{"delete", "element", "inet", own, "open6", "{ fd09::8 . fd09::7 . tcp . 8080 }"},
	} {
		nft(t, how...)
		select {
		case <-restored:
		case <-time.After(patience):
			t.Fatalf("after %v the table is not made again", how)
		}
		if again := nft(t, "list", "table", "inet", "emperor-0123456789ab"); sorted(again) != sorted(whole) {
			t.Errorf("after %v:\n%s\nbefore:\n%s", how, again, whole)
		}
	}
	if err := table.Replace(elements, nil); err != nil {
		t.Fatal(err)
	}
	if err := table.Replace(elements, nil); err != nil {
		t.Errorf("removed again: %v", err)
	}
	if left := nft(t, "list", "table", "inet", "emperor-0123456789ab"); strings.Contains(left, "elements") {
		t.Errorf("left: %s", left)
	}
	if n, err := table.Spoofed(); err != nil || n != 0 {
		t.Errorf("%d forged packets, %v", n, err)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if made, err := table.repair(); made || err != nil { // an event from before arrives late
		t.Errorf("a closed table is made again: %v, %v", made, err)
	}
	if left := nft(t, "list", "ruleset"); left != "" {
		t.Errorf("left: %s", left)
	}
}

// sorted makes listings comparable: elements are listed in any order.
func sorted(text string) string {
	fields := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\t' })
	slices.Sort(fields)
	return strings.Join(fields, " ")
}

func addresses(texts ...string) (list []netip.Addr) {
	for _, t := range texts {
		list = append(list, netip.MustParseAddr(t))
	}
	return list
}

// Many vassals fit into one transaction, and one that changes costs no more for it.
func TestTableHoldsThousands(t *testing.T) {
	if !isolated(t) {
		return
	}
	table, restored := openTable(t, Policy{Group: 0x65abcdee, Pool: prefixes("10.9.0.0/16")})
	defer table.Close()
	var all []Element
	for i := range 2000 {
		all = append(all, elementsOf([]netip.Addr{netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})}, publications(t, strconv.Itoa(20000+i)+":80"), nil)...)
	}
	if err := table.Replace(nil, all); err != nil {
		t.Fatal(err)
	}
	nft(t, "flush", "ruleset")
	select {
	case <-restored:
	case <-time.After(patience):
		t.Fatal("the table is not made again")
	}
	if n := strings.Count(nft(t, "list", "map", "inet", "emperor-0123456789ab", "publish4"), " . 80,") + 1; n < 2000 {
		t.Errorf("%d ports, want at least 2000", n)
	}
	if err := table.Replace(all, nil); err != nil {
		t.Fatal(err)
	}
}
