package namespaces

import (
	"syscall"
	"testing"
)

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]syscall.Signal{
		"KILL": syscall.SIGKILL, "sighup": syscall.SIGHUP, "15": syscall.SIGTERM, "0": 0, "64": 64, "": -1, "65": -1, "-1": -1, "x": -1, "SIG": -1,
	} {
		if s, ok := ParseSignal(text); ok != (want >= 0) || ok && s != want {
			t.Errorf("%q: %v, %t, want %d", text, s, ok, want)
		}
	}
}
