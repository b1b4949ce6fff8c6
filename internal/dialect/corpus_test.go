package dialect

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/assist/direct"
	"github.com/emperor-go/emperor/internal/dialect/dialecttest"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/internal/uwsginames"
)

// expected is the result of uWSGI's parser for a file: its list of options, each key, value
// and 1 for options that act while they are read.
type expected struct {
	File string              `json:"file"`
	RC   int                 `json:"rc"`
	Tree [][]json.RawMessage `json:"tree"`
}

// TestCorpus compares our list of options of each real file with the list of uWSGI 2.1-dev.
// Values of the machine were the same for all files.
func TestCorpus(t *testing.T) {
	dir := dialecttest.Corpus(t)
	data, err := os.ReadFile(filepath.Join(dir, "EXPECTED.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	complete := 0
	scan := bufio.NewScanner(bytes.NewReader(data))
	scan.Buffer(nil, 1<<20)
	scan.Scan() // the first line explains the others
	for scan.Scan() {
		var want expected
		if err := json.Unmarshal(scan.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		if want.RC != 0 {
			continue
		}
		complete++
		t.Run(want.File, func(t *testing.T) {
			compareList(t, corpusList(t, dir, want.File), want.lines(t, dir))
		})
	}
	if complete < 200 {
		t.Errorf("only %d files were compared", complete)
	}
}

// lines prints an expected list.
func (e expected) lines(t *testing.T, root string) (lines []string) {
	for _, row := range e.Tree {
		line := unwrap(t, row[0]) + " = " + unwrap(t, row[1])
		if len(row) > 2 || unwrap(t, row[0]) == "flock" { // no file could be locked there
			line += "\t(done)"
		}
		lines = append(lines, strings.ReplaceAll(line, "@ROOT@", root))
	}
	return lines
}

// unwrap decodes a text that may not be UTF-8.
func unwrap(t *testing.T, raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var wrapped struct{ Base64 string }
	if err := json.Unmarshal(raw, &wrapped); err != nil {
		t.Fatal(err)
	}
	bytes, err := base64.StdEncoding.DecodeString(wrapped.Base64)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes)
}

// corpusList reads a file as for EXPECTED.jsonl: from its own directory, by its own name,
// before anything is inherited.
func corpusList(t *testing.T, root, file string) (lines []string) {
	t.Chdir(filepath.Join(root, filepath.Dir(file)))
	t.Setenv("PATH", fakeDate(t))
	r := New(ofUWSGI, Permissions{Foreign: parser.Parse, Means: direct.Means(), Files: true, Run: true, Environ: []string{"HOME=/home/u", "PATH=/tmp/corpus/stub:/usr/bin:/bin"}})
	maps.Copy(r.magic.vars, map[byte]string{
		'h': "HOSTNAME", 't': "1700000000", 'T': "1700000000000000", 'V': "VERSION", 'k': "4", 'u': "1000", 'U': "user", 'g': "1000", 'G': "group",
	})
	kind, _ := formatByName(file)
	r.add(string(kind), filepath.Base(file))
	r.expandAll()
	for _, p := range r.outcome.problems {
		if !tolerated(p) {
			t.Error(p)
		}
	}
	for _, e := range r.list.entries[1:] {
		line := e.Key + " = " + e.Value
		if e.final {
			line += "\t(done)"
		}
		lines = append(lines, line)
	}
	return lines
}

// ofUWSGI are the options of uWSGI.
var ofUWSGI = Options{
	Known: func(key string) bool {
		_, known := uwsginames.Lookup(key)
		return known
	},
	AtOnce: uwsginames.AtOnce, NamesPlugins: uwsginames.NamesPlugins,
}

// tolerated are the mistakes that we report and uWSGI does not see.
func tolerated(p problem.Problem) bool {
	return strings.Contains(p.What, "closing bracket") || strings.Contains(p.What, "no section header above this line")
}

// fakeDate is a PATH on which date prints a fixed day.
func fakeDate(t *testing.T) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "date"), []byte("#!/bin/sh\necho 2020-01-02\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func compareList(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
