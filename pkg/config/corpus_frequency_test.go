package config

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/uwsginames"
	"github.com/emperor-go/emperor/pkg/config/foreign/parser"
)

// TestCorpusFrequency counts the lines of the emperor's and the vassals' files of the corpus
// by their treatment, and fails for each line that is ignored silently or reported without a
// remedy. EMPEROR_CORPUS names the folder.
func TestCorpusFrequency(t *testing.T) {
	if os.Getenv("EMPEROR_CORPUS") == "" {
		t.Skip("EMPEROR_CORPUS names no folder of configuration files")
	}
	dir := corpus(t)
	index, err := os.ReadFile(filepath.Join(dir, "INDEX.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	total := map[fate]int{}
	for line := range strings.Lines(string(index)) {
		file, _, _ := strings.Cut(line, "\t")
		kind, _, _ := strings.Cut(file, "/")
		if kind == "vassal" || kind == "emperor" {
			countLines(t, filepath.Join(dir, file), kind == "emperor", total)
		}
	}
	sum := 0
	for _, f := range fates {
		t.Logf("%-22s %d", f, total[f])
		sum += total[f]
	}
	t.Logf("%-22s %d", "all", sum)
	if sum == 0 {
		t.Error("no file has a line")
	}
}

// fate is the treatment of a line.
type fate string

const (
	honoured    fate = "honoured"
	remedied    fate = "told with a remedy"
	told        fate = "told without"
	placeholder fate = "placeholders in use"
	silent      fate = "silent"
)

var fates = []fate{honoured, remedied, told, placeholder, silent}

// countLines adds the lines of one file.
func countLines(t *testing.T, path string, emperors bool, total map[fate]int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, sections, _ := lex(path, string(data), nil)
	said := map[string]Problem{}
	for _, section := range append(sections, "") {
		maps.Copy(said, saidAbout(t, path, data, section, emperors))
	}
	var entries []entry
	for _, l := range lines {
		entries = append(entries, entry{key: l.key, value: l.value})
	}
	used := references(entries)
	reader := newReader(Access{})
	for _, e := range entries {
		if e.key == "" {
			continue
		}
		f := silent
		_, acts := reader.immediate(0, entry{key: e.key})
		ours := vassalOptions.find(e.key) != nil
		if emperors {
			ours = emperorOptions.find(e.key) != nil
		}
		_, known := uwsginames.Lookup(e.key)
		p, found := said[e.key]
		if !found && len(sections) == 0 {
			p, found = said[""] // no section at all
		}
		switch {
		case slices.Contains(used, e.key) && !known:
			f = placeholder
		case ours, acts:
			f = honoured
		case found && p.Hint != "":
			f = remedied
		case found:
			f = told
			t.Errorf("%s: %s = %s: no remedy: %s", path, e.key, e.value, p.What)
		default:
			t.Errorf("%s: nothing is said about %s = %s", path, e.key, e.value)
		}
		total[f]++
	}
}

// saidAbout returns the messages about each key of a section of a file, and about the file.
func saidAbout(t *testing.T, path string, data []byte, section string, emperors bool) map[string]Problem {
	t.Helper()
	t.Chdir(filepath.Dir(path))
	var warnings, problems Problems
	access := Access{Files: true, Foreign: parser.Parse}
	if emperors {
		name := filepath.Base(path)
		if section != "" {
			name += ":" + section
		}
		_, found, err := access.ExamineEmperor([]string{"--ini", name})
		warnings = found
		errors.As(err, &problems)
	} else {
		source := Source{Name: filepath.Base(path), Section: section, Path: path, Data: data}
		_, warnings, problems = Input{Source: source, Access: access}.Examine()
	}
	said := map[string]Problem{}
	for _, p := range slices.Concat(warnings, problems) {
		keys := []string{p.Key}
		if _, list, ok := strings.Cut(p.What, ": "); ok && p.Key == "" { // one line about several
			keys = strings.Split(list, ", ")
		}
		for _, key := range keys {
			key, _, _ = strings.Cut(key, " (") // as in `comand (command?)`
			said[strings.Trim(key, `"`)] = p
		}
	}
	return said
}
