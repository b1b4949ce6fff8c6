package inspect

import (
	"os"
	"path/filepath"

	"github.com/emperor-go/emperor/pkg/config"
)

// Legible finds files that set environment variables and that every user can read: the
// variables may be secrets, and each vassal works in the directory of its file. Only the
// file's own directory is checked, not its parents, because a process may already be in that
// directory. Each file is reported once; reported records the reported files.
func Legible(settings []config.Setting, reported map[string]bool) (found []Finding) {
	report := func(s config.Setting, file, what, hint string) {
		if !reported[file] {
			reported[file] = true
			found = append(found, Finding{"env-for-every-user", Warning, config.Problem{Origin: s.Origin, Key: s.Name, What: what, Hint: hint}})
		}
	}
	for _, s := range settings {
		switch file := s.Origin.File; {
		case s.Name == "env" && forEveryUser(file):
			report(s, file, "every user can read this file", "chmod o-r where a value is a secret")
		case s.Name == "envdir":
			dir := s.Value
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(filepath.Dir(file), dir)
			}
			files, _ := filepath.Glob(filepath.Join(dir, "*"))
			for _, f := range files {
				if forEveryUser(f) {
					report(s, dir, "every user can read "+f, "chmod o-rx "+dir+" where a value is a secret")
				}
			}
		}
	}
	return found
}

// forEveryUser reports whether every user can open a regular file.
func forEveryUser(file string) bool {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o004 == 0 {
		return false
	}
	dir, err := os.Stat(filepath.Dir(file))
	return err == nil && dir.Mode().Perm()&0o001 != 0
}
