package namespaces

import (
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
)

// A handle that was duplicated is the same namespace, and stays open when the first one is closed. Other
// descriptors, and None, are refused.
func TestHandlesOfNetworks(t *testing.T) {
	ns, err := CurrentNetwork()
	if err != nil {
		t.Fatal(err)
	}
	own, err := DuplicateNetwork(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	if own == ns || !own.Equal(ns) {
		t.Errorf("%v and %v", ns, own)
	}
	if err := ns.Close(); err != nil || ns.IsOpen() {
		t.Errorf("%v after its end (%v)", ns, err)
	}
	if err := CheckNetwork(own); err != nil {
		t.Error(err)
	}
	if again, err := DuplicateNetwork(ns); err == nil || again.IsOpen() {
		t.Errorf("None becomes %v (%v)", again, err)
	}
	for _, path := range []string{"/proc/self/ns/uts", "/dev/null"} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := CheckNetwork(netns.NsHandle(f.Fd())); err == nil || !strings.Contains(err.Error(), "not a network namespace") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
