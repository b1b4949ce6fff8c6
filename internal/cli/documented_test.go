package cli

import (
	"bytes"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/generated"
	"github.com/emperor-go/emperor/internal/optiondocs"
)

func manual(w io.Writer) error { return optiondocs.EmperorManual(w, documented()) }

func TestManualDocumentIsCurrent(t *testing.T) {
	generated.Current(t, "../../docs/man/emperor.8", manual)
}

// The page and the help have every command, and groff accepts the page.
func TestManualHasEveryCommand(t *testing.T) {
	var page, help bytes.Buffer
	if err := manual(&page); err != nil {
		t.Fatal(err)
	}
	if err := Help(&help, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range commands() {
		if !strings.Contains(page.String(), "\n.SS emperor "+strings.ReplaceAll(c.Name(), "-", `\-`)) {
			t.Errorf("the manual page has no %s", c.Name())
		}
		if before, _, _ := strings.Cut(help.String(), "\nMonitors:\n"); !strings.Contains(before, "\n  "+c.Name()) {
			t.Errorf("the help has no %s before the options", c.Name())
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("there is no groff")
	}
	cmd := exec.Command(groff, "-man", "-Tutf8", "-Kutf8", "-ww", "-z")
	cmd.Stdin = &page
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
