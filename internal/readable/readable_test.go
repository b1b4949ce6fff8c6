package readable

import (
	"testing"
	"time"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"shop.ini": "shop.ini", "été 日本": "été 日本", "a\x1b[31mb": `a\x1b[31mb`, "in\u202eini.pohs": `in\u202eini.pohs`, "<script>": "<script>",
	} {
		if got := Clean(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestAge(t *testing.T) {
	now := time.Now()
	for d, want := range map[time.Duration]string{-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m1s", 25 * time.Hour: "1d1h"} {
		if got := Age(now.Add(-d), now); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	if got := Age(time.Time{}, now); got != "" {
		t.Errorf("never: %q", got)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "", 999: "999B", 1000: "1.0K", 64 << 20: "64M", 1 << 40: "1.0T"} {
		if got := Size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
