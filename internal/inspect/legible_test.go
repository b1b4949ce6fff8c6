package inspect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/pkg/config"
)

func TestLegible(t *testing.T) {
	for name, c := range map[string]struct {
		text      string
		file, dir os.FileMode
		want      string
	}{
		"for everybody":         {"env = A=1\nenv = B=2", 0o644, 0o755, "a.ini:3: env: every user can read this file (chmod o-r where a value is a secret)"},
		"nothing in it":         {"unenv = A", 0o644, 0o755, ""},
		"for its owner":         {"env = A=1", 0o640, 0o755, ""},
		"in a closed directory": {"env = A=1", 0o644, 0o700, ""},
		"by name alone":         {"env = A=1", 0o644, 0o711, "a.ini:3: env: every user can read this file (chmod o-r where a value is a secret)"},
		"a directory":           {"envdir = DIR/env", 0o600, 0o755, "a.ini:3: envdir: every user can read DIR/env/SECRET (chmod o-rx DIR/env where a value is a secret)"},
		"a relative one":        {"envdir = env", 0o600, 0o755, "a.ini:3: envdir: every user can read DIR/env/SECRET (chmod o-rx DIR/env where a value is a secret)"},
		"one that is not there": {"envdir = none", 0o600, 0o755, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, text := filepath.Join(dir, "a.ini"), "[vassal]\ncommand = cat\n"+strings.ReplaceAll(c.text, "DIR", dir)+"\n"
			err := first(os.Mkdir(dir+"/env", 0o755), os.WriteFile(dir+"/env/SECRET", nil, 0o644), os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, c.file), os.Chmod(dir, c.dir))
			if err != nil {
				t.Fatal(err)
			}
			v, _, err := config.ParseVassal(config.Source{Name: "a.ini", Path: path, Data: []byte(text)})
			if err != nil {
				t.Fatal(err)
			}
			told := map[string]bool{}
			var lines []string
			for range 2 { // each file is reported once
				for _, f := range Legible(v.Settings(false), told) {
					lines = append(lines, strings.ReplaceAll(strings.TrimPrefix(f.Error(), dir+"/"), dir, "DIR"))
				}
			}
			if got := strings.Join(lines, "\n"); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}
