package cli

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// The page, the help and the document have each exit code.
func TestExitCodesAreDocumented(t *testing.T) {
	document, err := os.ReadFile("../../docs/control.md")
	if err != nil {
		t.Fatal(err)
	}
	var page, help bytes.Buffer
	if err := manual(&page); err != nil {
		t.Fatal(err)
	}
	if err := Help(&help, nil); err != nil {
		t.Fatal(err)
	}
	_, exits, _ := strings.Cut(page.String(), ".SH EXIT STATUS\n")
	for _, x := range exitTable {
		if row := fmt.Sprintf("\n| %s | %s |\n", x.Code, x.Text()); !strings.Contains(string(document), row) {
			t.Errorf("docs/control.md has no row%s", row)
		}
		if !strings.Contains(exits, "\n.B "+x.Code+"\n") && !strings.HasPrefix(exits, ".TP\n.B "+x.Code+"\n") {
			t.Errorf("the manual page says nothing of %s", x.Code)
		}
		if !strings.Contains(help.String(), "\n  "+x.Code+" ") {
			t.Errorf("the help says nothing of %s", x.Code)
		}
	}
	for _, c := range commands() {
		for _, x := range exitTable[firstOfShell:] {
			if is := strings.Contains(c.Long, x.Code+": "+x.Meaning); is != (c.Name() == "enter") {
				t.Errorf("the help of %s and exit code %s: %v", c.Name(), x.Code, is)
			}
		}
	}
}
