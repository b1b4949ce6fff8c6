package main

import (
	"net/netip"
	"strings"
	"testing"
)

func TestFree(t *testing.T) {
	tests := []struct {
		name  string
		used  []string
		start int
		want  string
	}{
		{"nothing is used", nil, 0, "198.18.0.1 198.18.0.2"},
		{"others are used", []string{"127.0.0.1/8", "10.1.2.3/24", "::1/128"}, 0, "198.18.0.1 198.18.0.2"},
		{"the first is used", []string{"198.18.0.1/30"}, 0, "198.18.0.5 198.18.0.6"},
		{"one in the middle of the first", []string{"198.18.0.2/32"}, 0, "198.18.0.5 198.18.0.6"},
		{"the first and the third", []string{"198.18.0.1/30", "198.18.0.9/30"}, 0, "198.18.0.5 198.18.0.6"},
		{"a larger one over the first half", []string{"198.18.0.1/25"}, 0, "198.18.0.129 198.18.0.130"},
		{"from the middle on", []string{"198.18.0.125/30"}, 31, "198.18.0.129 198.18.0.130"},
		{"from the last on, which is used", []string{"198.18.0.253/30"}, 63, "198.18.0.1 198.18.0.2"},
		{"all", []string{"198.18.7.7/15"}, 0, "no free addresses"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var used []network
			for _, p := range test.used {
				used = append(used, network{"x", netip.MustParsePrefix(p)})
			}
			host, vassal, err := free(used, test.start)
			got := host.String() + " " + vassal.String()
			if err != nil {
				got = err.Error()
			}
			if !strings.HasPrefix(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"free"}, {"host", "a", "b"}, {"inside"}, {"gone"}, {"help"}} {
		if err := run(args); err == nil || !strings.HasPrefix(err.Error(), "usage: ") {
			t.Errorf("run %q: got %v, want the usage", args, err)
		}
	}
}
