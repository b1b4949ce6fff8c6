package prose

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// limits are the most phrases of each rule in 1,000 words, for the comments of all Go files,
// the string literals of Go files outside tests, and all documents. They only ever go down.
var limits = map[string]map[string]float64{
	"comments":  {"what is/was/it/the": 0.3, "what as subject or object": 0.3, "somebody/nobody/whoever": 0.2, "that of/those that/of which": 0.3},
	"texts":     {"what is/was/it/the": 0.3, "what as subject or object": 0.3, "somebody/nobody/whoever": 0.2, "that of/those that/of which": 0.3},
	"documents": {"what is/was/it/the": 0.3, "what as subject or object": 0.3, "somebody/nobody/whoever": 0.2, "that of/those that/of which": 0.3},
}

// TestProse counts in the whole repository. EMPEROR_PROSE=DIR prints each phrase that it
// finds below that directory.
func TestProse(t *testing.T) {
	const root = "../.."
	words := map[string]int{}
	found := map[string]map[string]int{"comments": {}, "texts": {}, "documents": {}}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), ".") || name == "bin" {
			return filepath.SkipDir
		}
		counts := map[string]Count{}
		source, _ := os.ReadFile(path)
		switch filepath.Ext(name) {
		case ".go":
			counts["comments"] = Comments(source)
			if !strings.HasSuffix(name, "_test.go") {
				counts["texts"] = Texts(source)
			}
		case ".md":
			counts["documents"] = Document(source)
		}
		for kind, count := range counts {
			words[kind] += count.Words
			for _, f := range count.Findings {
				found[kind][f.Rule]++
				if below := os.Getenv("EMPEROR_PROSE"); below != "" && strings.HasPrefix(name, below) {
					fmt.Printf("%s:%d: %s: %s: %s\n", name, f.Line, kind, f.Rule, f.Text)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for kind, limit := range limits {
		if words[kind] < 10000 {
			t.Errorf("%s: %d words: the repository was not found", kind, words[kind])
		}
		for _, rule := range Rules {
			per := 1000 * float64(found[kind][rule.Name]) / float64(words[kind])
			t.Logf("%s: %s: %.2f in 1,000 words", kind, rule.Name, per)
			if per > limit[rule.Name] {
				t.Errorf("%s: %q: %.2f in 1,000 words, the limit is %.2f (EMPEROR_PROSE=%s go test ./internal/prose prints them)", kind, rule.Name, per, limit[rule.Name], "pkg/")
			}
		}
	}
}

func TestComments(t *testing.T) {
	source := "package p\n\n//go:build linux\n\n// Find returns what the\n// file has, or that\n// of its twin.\nvar what = 1 // nobody knows\n\n/* somebody */\n"
	got := Comments([]byte(source))
	var lines []string
	for _, f := range got.Findings {
		lines = append(lines, fmt.Sprint(f.Line, " ", f.Rule))
	}
	slices.Sort(lines)
	want := []string{"10 somebody/nobody/whoever", "5 what as subject or object", "5 what is/was/it/the", "6 that of/those that/of which", "8 somebody/nobody/whoever"}
	if got.Words != 14 || !slices.Equal(lines, want) {
		t.Errorf("%d words, %q", got.Words, lines)
	}
}

func TestTexts(t *testing.T) {
	source := "package p\n\n// nobody\nvar a = \"prints what\\nit has\"\nvar b = `one\nline of nobody`\nvar c = \"nobody\" // nobody\n"
	got := Texts([]byte(source))
	var lines []string
	for _, f := range got.Findings {
		lines = append(lines, fmt.Sprint(f.Line, " ", f.Rule))
	}
	if want := []string{"4 what is/was/it/the", "6 somebody/nobody/whoever"}; got.Words != 8 || !slices.Equal(lines, want) {
		t.Errorf("%d words, %q", got.Words, lines)
	}
}

func TestDocument(t *testing.T) {
	got := Document([]byte("# A title\n\nSee what is `what is` there.\n\n```\nwhat is\n```\nWhat it\ndoes.\n"))
	if len(got.Findings) != 3 || got.Findings[0].Line != 3 || got.Findings[1].Line != 8 || got.Findings[2].Line != 3 {
		t.Errorf("%+v", got)
	}
}
