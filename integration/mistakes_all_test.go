//go:build linux

package integration

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// The commonest mistakes, all in the directory of one emperor: the log and the list have the
// text of check.
func TestMistakesAreToldAlike(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("../cmd/emperor/testdata/mistakes.txtar")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{
		"a01.ini", "a08.ini", "b01.ini", "b03.ini", "e03.ini", "e05.ini", "f05.yaml", "f07.yaml", "f08.yaml", "f11.json", "f15.json", "f20.xml", "g02.ini",
	}
	w := newWorld(t)
	left := len(names)
	for _, f := range archive.Files {
		for _, name := range names {
			if f.Name == "mistakes/"+name {
				w.write("v/"+name, string(f.Data))
				left--
			}
		}
	}
	if left != 0 {
		t.Fatalf("files that are not there: %d", left)
	}
	checked, _ := w.command("check", w.vassals)
	e := w.start()
	for _, name := range names {
		line := regexp.MustCompile(`(?m)^\S*/` + regexp.QuoteMeta(name) + `(:\d+)?: .*$`)
		mistake := ""
		for _, l := range line.FindAllString(checked, -1) {
			if !strings.Contains(l, ": warning: ") {
				mistake = l
				break
			}
		}
		if mistake == "" {
			t.Errorf("%s: check finds no mistake:\n%s", name, checked)
			continue
		}
		if r := e.await(name, "cannot use its configuration"); r.Error != mistake {
			t.Errorf("%s: the log says\n%s\nand check\n%s", name, r.Error, mistake)
		}
		if a := w.list()[name]; a.Error != mistake && !strings.HasPrefix(a.Error, mistake+"\n") {
			t.Errorf("%s: the list says\n%s\nand check\n%s", name, a.Error, mistake)
		}
	}
}
