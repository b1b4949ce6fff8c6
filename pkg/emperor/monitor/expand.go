package monitor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
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
// Directories that cannot be read have no matches. It may block.
func Expand(dir, pattern string) []string {
	base, parts := cut(pattern)
	paths := []string{base}
	for _, part := range parts {
		var next []string
		for _, path := range paths {
			for _, name := range matches(within(dir, path), part) {
				next = append(next, below(path, name))
			}
		}
		paths = next
	}
	slices.Sort(paths)
	return paths
}

// cut returns the directory where a pattern begins to be one, as it is spelled, and the
// parts below it, of which there is one at least.
func cut(pattern string) (base string, parts []string) {
	pattern = strings.ReplaceAll(pattern, "[!", "[^")
	end := len(pattern)
	if at := strings.IndexAny(pattern, special); at >= 0 {
		end = at
	}
	slash := strings.LastIndexByte(pattern[:end], '/')
	switch {
	case slash < 0:
		return "", strings.Split(pattern, "/")
	case slash == 0:
		return "/", strings.Split(pattern[1:], "/")
	}
	return pattern[:slash], strings.Split(pattern[slash+1:], "/")
}

// below is a name in a directory, spelled as in a pattern.
func below(dir, name string) string {
	if dir == "" || dir == "/" {
		return dir + name
	}
	return dir + "/" + name
}

// matches are the names in a directory that fit one part of a pattern.
func matches(path, part string) []string {
	how := os.O_RDONLY
	if !strings.ContainsAny(part, special) {
		how = unix.O_PATH
	}
	dir, err := os.OpenFile(path, how|oDirectory, 0)
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := matching(dir, part)
	return names
}

// matching lists the names in an open directory that fit one part of a pattern. Where that
// is a name as it stands, the directory need not be listed.
func matching(dir *os.File, part string) ([]string, error) {
	if !strings.ContainsAny(part, special) {
		if part != "" && gone(int(dir.Fd()), part) {
			return nil, nil
		}
		return []string{part}, nil
	}
	names, err := dir.Readdirnames(-1)
	return slices.DeleteFunc(names, func(name string) bool {
		fits, _ := filepath.Match(part, name)
		return !fits || name[0] == '.' && part[0] != '.' && !strings.HasPrefix(part, `\.`)
	}), err
}

// within is a path that starts at dir unless it is absolute.
func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
