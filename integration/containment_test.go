//go:build linux

package integration

import (
	"os"
	"testing"
)

// TestWritableIsTold: who decides about vassals beside root is told once at the start.
func TestWritableIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	w.vassal("b.ini", serves)
	for _, err := range []error{os.Chown(w.vassals+"/a.ini", 4001, 4001), os.Chown(w.vassals, 4002, -1)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	e := w.start(allNamespaces)
	for _, want := range []string{
		w.vassals + ": uid 4002 can put a file there, which runs with the emperor's rights (chown root, chmod go-w)",
		w.vassals + "/a.ini (uid 4001) (chown root, chmod go-w)",
	} {
		if said := e.await("", want); said.Level != "WARN" {
			t.Errorf("it says %s", said.raw)
		}
	}
	e.running("a.ini") // as before: this is a warning
	e.running("b.ini")
	if n := e.count("", "rights"); n != 2 {
		t.Errorf("it is told %d times:\n%s", n, e.tail())
	}
}
