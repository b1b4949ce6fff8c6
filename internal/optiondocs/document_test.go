package optiondocs

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/generated"
	"github.com/emperor-go/emperor/pkg/config"
)

const documents = "../../docs/"

func TestOptionsDocumentIsCurrent(t *testing.T) {
	generated.Current(t, documents+"options.md", writeOptions)
}

func TestManualDocumentIsCurrent(t *testing.T) {
	for _, page := range pages() {
		generated.Current(t, documents+"man/"+page, func(w io.Writer) error { return writeManual(w, page) })
	}
}

// TestManualIsClean checks the pages with man(1) or groff, if installed.
func TestManualIsClean(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("there is no groff")
	}
	for _, page := range pages() {
		var text bytes.Buffer
		if err := writeManual(&text, page); err != nil {
			t.Fatal(err)
		}
		if other, ok := strings.CutPrefix(text.String(), ".so man8/"); ok {
			if writeManual(io.Discard, strings.TrimSpace(other)) != nil {
				t.Errorf("%s is %s, which there is not", page, other)
			}
			continue
		}
		cmd := exec.Command(groff, "-man", "-Tutf8", "-Kutf8", "-ww", "-z")
		cmd.Stdin = &text
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", page, err, out)
		}
	}
}

// TestDocumentsNameEveryOption guards against a group that is left out.
func TestDocumentsNameEveryOption(t *testing.T) {
	var options, file bytes.Buffer
	if err := writeOptions(&options); err != nil {
		t.Fatal(err)
	}
	if err := writeManual(&file, "emperor.ini.5"); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range slices.Concat(config.EmperorOptions(), config.VassalOptions()) {
		for _, d := range s.Options {
			if d.Phase != "" { // the kinds of one phase are folded
				names = append(names, d.Phase)
				continue
			}
			names = append(append(names, d.Name), d.Aliases...)
		}
	}
	if len(names) < 200 {
		t.Fatalf("there are %d options", len(names))
	}
	for _, name := range names {
		if !strings.Contains(options.String(), name) {
			t.Errorf("docs/options.md says nothing of %s", name)
		}
		if !strings.Contains(file.String(), roff(name)) {
			t.Errorf("emperor.ini(5) says nothing of %s", name)
		}
	}
	if err := writeManual(io.Discard, "emperor.9"); err == nil {
		t.Error("there is a page emperor.9")
	}
}

// TestEveryProgramHasAManual: each installed program has a page, which names every option of
// its usage.
func TestEveryProgramHasAManual(t *testing.T) {
	programs, err := os.ReadDir("../../cmd")
	if err != nil || len(programs) == 0 {
		t.Fatal(err)
	}
	for _, program := range programs {
		name := program.Name()
		var page bytes.Buffer
		if err := writeManual(&page, name+".8"); err != nil {
			t.Error(err)
		}
		source, err := os.ReadFile(filepath.Join("../../cmd", name, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		_, usage, _ := strings.Cut(string(source), "const usage = `")
		usage, _, _ = strings.Cut(usage, "`")
		for word := range strings.FieldsSeq(usage) {
			if strings.HasPrefix(word, "--") && !strings.Contains(page.String(), roff(word)) {
				t.Errorf("%s(8) says nothing of %s", name, word)
			}
		}
	}
}
