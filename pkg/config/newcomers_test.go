package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/config"
)

var (
	examples = regexp.MustCompile("(?s)```ini\n(.*?)```")
	quoted   = regexp.MustCompile("`([^`]+)`")
	dashed   = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)+$`)
)

// The pages for newcomers have files without mistakes, and the options beside the words of other programs
// exist.
func TestPagesForNewcomers(t *testing.T) {
	for _, page := range []string{"from-uwsgi.md", "from-systemd.md"} {
		text, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		files := examples.FindAllSubmatch(text, -1)
		for i, file := range files {
			if _, warnings, err := config.ParseVassal(config.Source{Name: "a.ini", Path: "/a.ini", Data: file[1]}); err != nil || len(warnings) > 0 {
				t.Errorf("%s, file %d: %v, %v", page, i+1, err, warnings)
			}
		}
		options := 0
		for line := range strings.Lines(string(text)) {
			cells := strings.Split(line, " | ")
			if !strings.HasPrefix(line, "| ") || len(cells) != 2 {
				continue
			}
			for _, word := range quoted.FindAllStringSubmatch(cells[1], -1) {
				name, _, _ := strings.Cut(word[1], " ")
				if !dashed.MatchString(name) {
					continue
				}
				if options++; !config.HasOption(name) {
					t.Errorf("%s: there is no option %s", page, name)
				}
			}
		}
		if len(files) == 0 || options < 5 {
			t.Errorf("%s has %d files and %d options", page, len(files), options)
		}
	}
}
