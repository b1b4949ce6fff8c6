//go:build linux

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The unit is one that systemd understands without a word. The stories that run
// it are those of `make systemd`.
func TestUnitIsVerified(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("apt-get install systemd: ", err)
	}
	unit, err := os.ReadFile("../examples/systemd/emperor.service")
	if err != nil {
		t.Fatal(err)
	}
	// What it starts lies elsewhere here.
	text := strings.ReplaceAll(string(unit), "/usr/local/bin/emperor", program("emperor"))
	path := filepath.Join(t.TempDir(), "emperor.service")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "emperor.service") {
			t.Error(line)
		}
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
