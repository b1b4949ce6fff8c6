package config

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/internal/dialect/dialecttest"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
	"github.com/emperor-go/emperor/internal/uwsginames"
)

// TestCorpusFrequency counts the lines of the emperor's and the vassals' files of the corpus
// by their treatment, and fails for each line that is ignored silently or reported without a
// remedy. EMPEROR_CORPUS names the folder.
func TestCorpusFrequency(t *testing.T) {
	if os.Getenv("EMPEROR_CORPUS") == "" {
		t.Skip("EMPEROR_CORPUS names no folder of configuration files")
	}
	dir := dialecttest.Corpus(t)
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
	entries, sections := divided(string(data))
	said := map[string]Problem{}
	for _, section := range append(sections, "") {
		maps.Copy(said, saidAbout(t, path, data, section, emperors))
	}
	for _, e := range entries {
		if e.Key == "" {
			continue
		}
		f := silent
		ours := vassalOptions.find(e.Key) != nil
		if emperors {
			ours = emperorOptions.find(e.Key) != nil
		}
		_, known := uwsginames.Lookup(e.Key)
		p, found := said[e.Key]
		if !found && len(sections) == 0 {
			p, found = said[""] // no section at all
		}
		switch {
		case !known && strings.Contains(string(data), "%("+e.Key+")"):
			f = placeholder
		case ours, ofReader(e.Key):
			f = honoured
		case found && p.Hint != "":
			f = remedied
		case found:
			f = told
			t.Errorf("%s: %s = %s: no remedy: %s", path, e.Key, e.Value, p.What)
		default:
			t.Errorf("%s: nothing is said about %s = %s", path, e.Key, e.Value)
		}
		total[f]++
	}
}

// divided returns the lines of an ini file that are not comments, and the names of its sections.
func divided(text string) (entries []dialect.Entry, sections []string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == ';' || line[0] == '#':
		case line[0] == '[':
			sections = append(sections, strings.Trim(line, "[]"))
		default:
			key, value, _ := strings.Cut(line, "=")
			entries = append(entries, dialect.Entry{Key: strings.TrimSpace(key), Value: strings.TrimSpace(value)})
		}
	}
	return entries, sections
}

// saidAbout returns the messages about each key of a section of a file, and about the file.
func saidAbout(t *testing.T, path string, data []byte, section string, emperors bool) map[string]Problem {
	t.Helper()
	t.Chdir(filepath.Dir(path))
	var warnings, problems Problems
	l := Loader{Permissions: Permissions{Files: true, Foreign: parser.Parse}}
	if emperors {
		name := filepath.Base(path)
		if section != "" {
			name += ":" + section
		}
		_, found, err := l.ExamineEmperor([]string{"--ini", name})
		warnings = found
		errors.As(err, &problems)
	} else {
		source := Source{Name: filepath.Base(path), Section: section, Path: path, Data: data}
		_, warnings, problems = l.ExamineVassal(source)
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
