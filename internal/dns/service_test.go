package dns

import (
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Vassals that cannot ask the emperor get the host's nameservers where all vassals have another mode, and
// an error for a mode of their own.
func TestVassalsOfOtherNetworks(t *testing.T) {
	for _, mode := range []spec.DNS{spec.DNSNames, spec.DNSForward} {
		s := &Service{config: Config{Mode: mode, Private: true, Setup: Setup{Gateways: addresses("10.9.0.1")}, Log: slog.New(slog.DiscardHandler)}, vassals: map[string]*resolving{}}
		s.config.Own = func() ([]netip.Addr, error) { return nil, nil }
		var err error
		if s.files, err = NewFiles(t.TempDir() + "/files"); err != nil {
			t.Fatal(err)
		}
		mounts, err := s.Connect("a.ini", "", nil, addresses("192.0.2.53"))
		if err != nil || len(mounts) != 2 {
			t.Fatalf("%s: %v, %v", mode, mounts, err)
		}
		text := ""
		for _, m := range mounts {
			b, err := os.ReadFile(m.Source)
			if err != nil {
				t.Fatal(err)
			}
			text += string(b)
		}
		if !strings.Contains(text, "nameserver 192.0.2.53") {
			t.Errorf("%s: %s", mode, text)
		}
		if _, err := s.Connect("b.ini", mode, nil, addresses("192.0.2.53")); err == nil || !strings.Contains(err.Error(), "network-dns = auto") {
			t.Errorf("its own %s: %v", mode, err)
		}
	}
}
