package monitor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// special are the bytes that make a pattern of a path.
const special = `*?[\`

// Literal returns a pattern that fits one path and no other.
func Literal(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `!`, `\!`).Replace(path)
}

// Expand lists the paths that fit a pattern, sorted and spelled as in the pattern: for
// ./*/x.ini there is ./web/x.ini. Relative patterns start at dir. As in glob(3) a
// wildcard matches no dot at the beginning of a name, and [! negates as [^ does.
// Directories that cannot be read have no matches.
func Expand(dir, pattern string) []string {
	paths := []string{""}
	for i, part := range strings.Split(strings.ReplaceAll(pattern, "[!", "[^"), "/") {
		slash := "/"
		if i == 0 {
			slash = ""
		}
		var next []string
		for _, above := range paths {
			for _, name := range matches(within(dir, above+slash), part) {
				next = append(next, above+slash+name)
			}
		}
		paths = next
	}
	paths = slices.DeleteFunc(paths, func(path string) bool { _, err := os.Lstat(within(dir, path)); return err != nil })
	slices.Sort(paths)
	return paths
}

// matches are the names in a directory that fit one part of a pattern. A name without
// wildcards is not looked for.
func matches(dir, part string) []string {
	if !strings.ContainsAny(part, special) {
		return []string{part}
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	return slices.DeleteFunc(names, func(name string) bool {
		fits, _ := filepath.Match(part, name)
		return !fits || name[0] == '.' && part[0] != '.' && !strings.HasPrefix(part, `\.`)
	})
}

// within is a path that starts at dir unless it is absolute.
func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
