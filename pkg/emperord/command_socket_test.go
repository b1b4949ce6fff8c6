package emperord

import (
	"log/slog"
	"testing"
)

// Senders to a UDP address cannot be verified: other machines reach it only where the
// operator has set that option.
func TestCommandsByUDPAreLocal(t *testing.T) {
	for _, tt := range []struct {
		address string
		remote  bool
		wrong   bool
	}{
		{"127.0.0.1:0", false, false},
		{"[::1]:0", false, false},
		{"localhost:0", false, false},
		{":0", false, true},
		{"0.0.0.0:0", false, true},
		{"[::]:0", false, true},
		{"192.0.2.1:0", false, true},
		{"0.0.0.0:0", true, false},
	} {
		c, err := listenForCommands(tt.address, tt.remote, nil, slog.New(slog.DiscardHandler))
		if wrong := err != nil; wrong != tt.wrong {
			t.Errorf("%s, remote %v: %v", tt.address, tt.remote, err)
		}
		c.close()
	}
}
