package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// TestEveryOptionIsShown requires an example or a test of each option: a line that uses it,
// anywhere in an example, a case or the text of a test. For hooks it requires one of each
// phase and one of each kind.
func TestEveryOptionIsShown(t *testing.T) {
	words := everyWord(t)
	shown := func(name string) bool { return words[name] }
	phases, kinds := map[string]bool{}, map[string]bool{}
	for _, name := range slices.Concat(ownNames(emperorOptions), ownNames(vassalOptions)) {
		phase, ok := hookPhase(name)
		if !ok && !shown(name) {
			t.Errorf("%s is in no test and no example; give it a line in pkg/config/testdata/options", name)
		}
		if ok {
			kind, _, _ := strings.Cut(name, "-")
			phases[phase], kinds[kind] = phases[phase] || shown(name), kinds[kind] || shown(name)
		}
	}
	for what, list := range map[string]map[string]bool{"phase": phases, "kind": kinds} {
		for name, ok := range list {
			if !ok {
				t.Errorf("no hook of %s %s is in any test or example", what, name)
			}
		}
	}
}

func ownNames[T any](rows table[T]) []string {
	var names []string
	for o := range rows.all {
		names = append(names, o.Name)
	}
	return names
}

// everyWord returns the words of examples, cases and tests, without the dashes of a command
// line.
func everyWord(t *testing.T) map[string]bool {
	t.Helper()
	words := map[string]bool{}
	for _, root := range []string{"..", "../../examples", "../../integration", "../../cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case os.IsNotExist(err):
				return nil
			case err != nil || d.IsDir():
				return err
			case strings.Contains(path, "testdata/"), strings.HasSuffix(path, "_test.go"), filepath.Ext(path) == ".ini":
				data, err := os.ReadFile(path)
				for word := range strings.FieldsFuncSeq(string(data), func(r rune) bool { return !isWord(r) }) {
					words[strings.TrimLeft(word, "-")] = true
				}
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return words
}

func isWord(r rune) bool {
	return r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// TestEveryOptionCounts checks that a row's setter reaches the struct: each option in a case
// of testdata/options changes the defaults in at least one of them, or is refused there.
func TestEveryOptionCounts(t *testing.T) {
	files, err := filepath.Glob("testdata/options/*.case")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string][]string{} // values by key
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		input, _, _ := strings.Cut(string(data), mark)
		for line := range strings.Lines(input) {
			if key, value, ok := strings.Cut(line, "="); ok {
				key = strings.TrimSpace(key)
				given[key] = append(given[key], strings.TrimSpace(value))
			}
		}
	}
	counts(t, emperorOptions, given, defaultEmperor)
	counts(t, vassalOptions, given, defaultVassal)
}

func counts[T any](t *testing.T, rows table[T], given map[string][]string, fresh func() *T) {
	t.Helper()
	for o := range rows.all {
		values := given[o.Name]
		if len(values) == 0 || o.Name == "strict" { // decode reads it from the entries
			continue
		}
		if !slices.ContainsFunc(values, func(text string) bool {
			into := fresh()
			return o.Put(into, option.Value{Text: text}) == nil && !reflect.DeepEqual(into, fresh())
		}) {
			t.Errorf("%s changes nothing with any of %q", o.Name, values)
		}
	}
}
