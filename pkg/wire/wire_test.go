package wire

import (
	"strings"
	"testing"
)

// Programs of others depend on these bytes: any change breaks them, even if all other tests
// pass.
func TestBytesAreThoseOfUWSGI(t *testing.T) {
	commands := map[Command]byte{Stop: 0, Reload: 1, StopGracefully: 2}
	for c, want := range commands {
		if byte(c) != want {
			t.Errorf("%v is byte %d, want %d", c, byte(c), want)
		}
	}
	reports := map[Report]byte{Spawned: 1, SendConfig: 2, Accepting: 5, Loyal: 17, Withdraw: 22, Heartbeat: 26, Reinforce: 30}
	for r, want := range reports {
		if byte(r) != want {
			t.Errorf("%v is byte %d, want %d", r, byte(r), want)
		}
	}
}

func TestEveryByteHasAName(t *testing.T) {
	if got := Report(99).String(); got != "report(99)" {
		t.Errorf("unknown report prints %q", got)
	}
	if got := Command(99).String(); got != "command(99)" {
		t.Errorf("unknown command prints %q", got)
	}
	for _, r := range []Report{Spawned, SendConfig, Accepting, Loyal, Withdraw, Heartbeat, Reinforce} {
		if strings.HasPrefix(r.String(), "report(") {
			t.Errorf("report %d has no name", byte(r))
		}
	}
}
