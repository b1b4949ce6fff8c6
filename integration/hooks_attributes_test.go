//go:build linux

package integration

import (
	"os"
	"strings"
	"testing"
)

// Hooks of the emperor in a vassal's own file: only permitted ones, and only in files of root.
func TestHooksOfAVassalsFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := "[emperor]\nexec-as-emperor = echo asked by $UWSGI_VASSAL_NAME\nexec-as-vassal = echo inside by its file\n"
	w.vassal("a.ini", serves, own)
	w.vassal("b.ini", serves)
	e := w.start(allNamespaces, "--emperor-allow-attr", "exec-as-emperor", "--exec-as-emperor", "echo asked by the operator")
	for _, text := range []string{"exec-as-vassal: the operator does not allow this hook here", "asked by the operator", "asked by a.ini"} {
		e.await("a.ini", text)
	}
	pid := e.running("a.ini")
	e.await("b.ini", "asked by the operator")
	e.running("b.ini")
	if e.count("b.ini", "asked by b.ini") > 0 || e.count("a.ini", "inside by its file") > 0 {
		t.Errorf("a hook ran that was not allowed:\n%s", e.tail())
	}

	// A changed hook needs a new process.
	w.vassal("a.ini", serves, strings.Replace(own, "asked by", "asked anew by", 1))
	e.await("a.ini", "asked anew by a.ini")
	if again := e.running("a.ini"); again == pid {
		t.Error("the vassal kept its process")
	}

	// The owner of the file would get the emperor's rights.
	w.write("t.ini", ini(serves, own))
	if err := os.Chown(w.path("t.ini"), 4001, 4001); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(w.path("t.ini"), w.vassals+"/t.ini"); err != nil {
		t.Fatal(err)
	}
	e.await("t.ini", "not permitted in a tenant's own file (root must own the file)")
	e.barrier()
	if e.count("t.ini", "launching -> starting") > 0 {
		t.Error("it was started without the hooks that its file asks for")
	}
}
