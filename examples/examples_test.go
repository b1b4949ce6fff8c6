// Package examples contains configurations to run and to start from. Its test checks that
// emperor knows every option in them.
package examples

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/pkg/config"
)

// TestFilesAreUnderstood parses every ini file here. A warning counts as an error in an
// example.
func TestFilesAreUnderstood(t *testing.T) {
	t.Setenv("QUICKSTART_DIR", "/srv/quickstart")
	files := 0
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".ini" {
			return err
		}
		files++
		t.Run(path, func(t *testing.T) {
			warnings, err := parse(path)
			if err != nil {
				t.Error(err)
			}
			for _, w := range warnings {
				t.Error(w)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 8 {
		t.Errorf("found %d files: where are the others?", files)
	}
}

// parse reads an emperor's file, which has that name, or a vassal's.
func parse(path string) (config.Problems, error) {
	if filepath.Base(path) == "emperor.ini" {
		_, warnings, err := config.Loader{Permissions: config.FullPermissions(nil, assist.Means{})}.Emperor([]string{"--ini", path})
		return warnings, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	source := config.Source{Name: filepath.Base(path), Path: absolute, Data: data}
	l := config.Loader{Permissions: config.Permissions{Partial: true}}
	switch {
	case source.Name == "template.ini":
		l.Templates.Include = []config.Template{source.Template()}
		_, warnings, err := l.Operator(config.Source{Name: "a.ini", Path: "/a.ini"})
		return warnings, err
	case strings.HasPrefix(path, "tenants/"):
		source.Tenant = true
	}
	_, warnings, err := l.Vassal(source)
	return warnings, err
}
