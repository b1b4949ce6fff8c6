package hooks

import (
	"context"
	"net/netip"
	"strings"
	"testing"
)

// A visitor connects from its own thread only: names, which are looked up on other threads or by other
// programs, are refused.
func TestHereIsNoName(t *testing.T) {
	for address, want := range map[string]string{
		"localhost:80": "127.0.0.1:80", "127.0.0.2:80": "127.0.0.2:80", "[::1]:80": "[::1]:80", "[fe80::1%lo]:80": "[fe80::1%lo]:80",
		":80": ":80", "/run/a:b": "/run/a:b", "@a:b": "@a:b",
		"db.example:80": "", "localhost.:80": "", "1.2.3:80": "", "*:80": "*:80",
	} {
		lookup := func(context.Context, string, string) ([]netip.Addr, error) { return nil, nil }
		to, err := (&scene{joined: true, lookup: lookup}).target(address)
		if (err == nil) != (want != "") || err == nil && (to.String() != want || to.lookup != nil) {
			t.Errorf("target(%q) is %v, %v; want %q", address, to, err, want)
		}
		if to, err := (&scene{lookup: lookup}).target(address); err != nil || to.String() != address {
			t.Errorf("at home, target(%q) is %v, %v", address, to, err)
		}
	}
}

// The environment and the text of a hook arrive unchanged.
func TestErrandHoldsAnyByte(t *testing.T) {
	h, err := Parse(Spec{Phase: AsEmperor, Kind: Do, Text: "print:\xff\xfe"})
	if err != nil {
		t.Fatal(err)
	}
	j := Joiner{Subject: Subject{Name: "\xe4.ini", PID: 7}}
	x := j.errand(h, Environment{Vars: []string{"A=\xff"}})
	s := x.scene()
	if s.who.Name != "\xe4.ini" || s.who.PID != 7 || strings.Join(s.Vars, " ") != "A=\xff" || string(x.Text) != "print:\xff\xfe" {
		t.Errorf("%+v, %q", s, x.Text)
	}
}
