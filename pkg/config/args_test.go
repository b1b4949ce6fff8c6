package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/assist"
)

// ownLoader reads the own configuration of a program.
var ownLoader = Loader{Permissions: FullPermissions(nil, assist.Means{})}

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "e.ini")
	if err := os.WriteFile(file, []byte("[uwsgi]\nemperor-freq = 7\nemperor = /from/file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args, want []string
	}{
		"bare":                {[]string{"/a", "/b"}, []string{"emperor=/a", "emperor=/b"}},
		"value behind":        {[]string{"--emperor-freq", "3", "/a"}, []string{"emperor-freq=3", "emperor=/a"}},
		"value joined":        {[]string{"--emperor-freq=3", "/a"}, []string{"emperor-freq=3", "emperor=/a"}},
		"value with =":        {[]string{"--exec-as-emperor=A=b c", "/a"}, []string{"exec-as-emperor=A=b c", "emperor=/a"}},
		"value like a flag":   {[]string{"--exec-as-emperor", "--x", "/a"}, []string{"exec-as-emperor=--x", "emperor=/a"}},
		"flag takes no value": {[]string{"--strict", "/a"}, []string{"strict=true", "emperor=/a"}},
		"flag joined":         {[]string{"--strict=no", "/a"}, []string{"strict=false", "emperor=/a"}},
		"end of options":      {[]string{"--", "--a"}, []string{"emperor=--a"}},
		"file in its place":   {[]string{"--emperor-freq", "3", "--ini", file, "--emperor", "/b"}, []string{"emperor-freq=7", "emperor=/from/file", "emperor=/b"}},
		"file before":         {[]string{"--ini=" + file, "--emperor-freq", "3"}, []string{"emperor=/from/file", "emperor-freq=3"}},
		"uWSGI's flags":       {[]string{"--master", "--emperor", "/a", "-M", "-p", "4", "-p4", "--logto", "/x", "--die-on-term"}, []string{"emperor=/a", "logto=/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			e, _, err := ownLoader.Emperor(c.args)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range e.Settings(false) {
				got = append(got, s.Name+"="+s.Value)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestCommandLineMistakes(t *testing.T) {
	for line, want := range map[string]string{
		"--emperor-frek 3 /a":         "--emperor-frek: unknown option (did you mean --emperor-freq?)",
		"--no-such-thing=5 /a":        "--no-such-thing: unknown option (emperor --help lists the options)",
		"-Z /a":                       "-Z: unknown option",
		"/a --emperor-freq":           "--emperor-freq: a value is missing (--emperor-freq VALUE)",
		"--ini /no/such/file.ini /a":  "no such file or directory",
		"--emperor-freq x --uid 0day": "emperor-freq: \"x\" is not a time",
		"--help nothing-like-it":      "there is no group \"nothing-like-it\" (the groups are Monitors, ",
		"":                            "no directory to watch",
	} {
		_, _, err := ownLoader.Emperor(strings.Fields(line))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("emperor %s: %v, want %q", line, err, want)
		}
	}
}
