package hooks

import (
	"strings"
	"testing"
)

// A visitor connects from its own thread only: names, which package net resolves on other
// threads, are refused.
func TestHereIsNoName(t *testing.T) {
	for address, want := range map[string]string{
		"localhost:80": "127.0.0.1:80", "127.0.0.2:80": "127.0.0.2:80", "[::1]:80": "[::1]:80", "[fe80::1%lo]:80": "[fe80::1%lo]:80",
		":80": ":80", "/run/a:b": "/run/a:b", "@a:b": "@a:b",
		"db.example:80": "", "localhost.:80": "", "1.2.3:80": "", "*:80": "*:80",
	} {
		got, err := (&scene{joined: true}).here(address)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("here(%q) is %q, %v; want %q", address, got, err, want)
		}
		if got, err := (&scene{}).here(address); got != address || err != nil {
			t.Errorf("at home, here(%q) is %q, %v", address, got, err)
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
