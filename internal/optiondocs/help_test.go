package optiondocs

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/config"
)

func TestHelp(t *testing.T) {
	for line, want := range map[string][2]string{ // contained text, missing text
		"--help":            {"\nMonitors:\n", "--hook-as-emperor "},
		"/a -h":             {"Usage: ", "--hook-as-emperor "},
		"--usage":           {"--version", "--hook-as-emperor "},
		"--help hooks":      {"--hook-as-emperor ", "Usage: "},
		"--help MONITORS":   {"--emperor PLACE", "\nHooks:\n"},
		"--help --emperor":  {"Usage: ", "--hook-as-emperor "},
		"--help /etc/x":     {"Usage: ", "--hook-as-emperor "},
		"--sokcet x --help": {"Usage: ", "--hook-as-emperor "},
	} {
		_, _, err := config.Loader{}.Emperor(strings.Fields(line))
		if !errors.Is(err, config.ErrHelp) {
			t.Errorf("%s: %v", line, err)
			continue
		}
		var b bytes.Buffer
		if err := EmperorHelp(&b, err, Reference{}); err != nil {
			t.Fatal(err)
		}
		if text := b.String(); !strings.Contains(text, want[0]) || strings.Contains(text, want[1]) {
			t.Errorf("%s prints:\n%s", line, text)
		}
	}
	if _, _, err := (config.Loader{}).VassalArgs([]string{"--version"}); !errors.Is(err, config.ErrVersion) {
		t.Errorf("--version: %v", err)
	}
}
