package cli

import (
	"slices"
	"testing"
)

// The line about reloads stays short for many vassals.
func TestSeveral(t *testing.T) {
	for n, want := range map[int]string{1: "a", 8: "a, a, a, a, a, a, a, a", 200: "a, a, a, a, a, a, a, a and 192 more"} {
		if got := several(slices.Repeat([]string{"a"}, n)); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
