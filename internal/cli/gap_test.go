package cli

import (
	"net/netip"
	"testing"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// A gap is a loss of service only at addresses that no process has held meanwhile.
func TestGapTexts(t *testing.T) {
	t.Parallel()
	own := &emperor.Attachment{Addresses: []netip.Addr{netip.MustParseAddr("10.142.3.7")}}
	for want, r := range map[string]emperor.Record{
		"connections waited 0.15 s":            record(150, true, 1, nil),
		"152 ms without a worker":              record(152, false, 1, nil),
		"0 ms without a worker":                record(0, false, 1, nil),
		"0.11 s without service at 10.142.3.7": record(110, true, 1, own),
		"0.12 s without service at 10.142.3.7": record(120, false, 2, own),
		"connections waited 2.00 s":            record(2000, true, 2, own),
	} {
		if got := gapText(r); got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}

func record(gap int64, held bool, serial uint64, network *emperor.Attachment) (r emperor.Record) {
	r.ReloadGap, r.ReloadHeld, r.Serial, r.Network = gap, held, serial, network
	return r
}
