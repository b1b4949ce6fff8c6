package network

import (
	"os"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	const id = ID("0123456789ab")
	long := strings.Repeat("n", 255)
	for _, name := range []string{"a.ini", "eth1", long, "$(x).ini", "a b\n.ini", "dir/a.ini"} {
		if n := id.linkName(name, 7, 0); len(n) != 15 || !strings.HasPrefix(n, "evs") {
			t.Errorf("link %q", n)
		}
		if n := altName(name); len(n) > 127 || !strings.HasPrefix(n, "emperor-") || strings.ContainsAny(n, " \n/") {
			t.Errorf("altname %q", n)
		}
		if n := id.alias(name, 18446744073709551615); len(n) > 255 || !strings.HasSuffix(n, " gen=18446744073709551615") {
			t.Errorf("alias %q", n)
		}
	}
	if altName(long) == altName(long[:200]+strings.Repeat("m", 55)) {
		t.Error("two long names are one")
	}
	for _, other := range []string{id.linkName("a", 1, 1), id.linkName("a", 2, 0), ID("0123456789ac").linkName("a", 1, 0), id.linkName("b", 1, 0)} {
		if other == id.linkName("a", 1, 0) {
			t.Errorf("%q twice", other)
		}
	}
	if g := id.Group(); g&groupMask != groupMark || g&1 != 0 {
		t.Errorf("group %#x", g)
	}
}

// The id is made once, and made again when its file is broken.
func TestLoadID(t *testing.T) {
	dir := t.TempDir()
	id, err := LoadID(dir)
	if err != nil || !id.valid() {
		t.Fatalf("%q, %v", id, err)
	}
	if again, err := LoadID(dir); err != nil || again != id {
		t.Errorf("%q then %q, %v", id, again, err)
	}
	if err := os.WriteFile(idFile(dir), []byte("zzz"), 0o600); err != nil {
		t.Fatal(err)
	}
	if other, err := LoadID(dir); err != nil || !other.valid() {
		t.Errorf("after a broken file: %q, %v", other, err)
	}
	if _, err := LoadID(dir + "/none"); err == nil {
		t.Error("an id without a directory")
	}
}

func TestDerivedMAC(t *testing.T) {
	seen := map[string]bool{}
	for _, words := range [][]string{{"web0"}, {"web0", "peer"}, {"web0peer"}, {"web1"}, {}} {
		m := derivedMAC(words...)
		if m[0] != 0x02 || len(m) != 6 || seen[m.String()] || m.String() != derivedMAC(words...).String() {
			t.Errorf("%q: %v", words, m)
		}
		seen[m.String()] = true
	}
}
