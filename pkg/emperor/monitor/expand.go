package monitor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// special are the bytes that make a path a pattern.
const special = `*?[\`

// Literal returns a pattern that matches one path and no other.
func Literal(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `!`, `\!`).Replace(path)
}

// Expand lists the paths that match a pattern, sorted and spelled as in the pattern: for
// ./*/x.ini there is ./web/x.ini. Relative patterns start at dir. As in glob(3) a wildcard
// does not match a dot at the beginning of a name, and [! negates as [^ does. Directories that
// cannot be read have no matches. It may block.
func Expand(dir, pattern string) []string {
	_, paths := expand(dir, pattern)
	slices.Sort(paths)
	return paths
}

// Directories lists, sorted, the directories that a pattern leads through: in each of them a new
// entry may fit it. Those that cannot be read are left out. It may block.
func Directories(dir, pattern string) []string {
	dirs, _ := expand(dir, pattern)
	slices.Sort(dirs)
	return dirs
}

func expand(dir, pattern string) (dirs, paths []string) {
	base, parts := cut(pattern)
	paths = []string{base}
	for _, part := range parts {
		var next []string
		for _, path := range paths {
			at := within(dir, path)
			names, err := matches(at, part)
			if err != nil {
				continue
			}
			dirs = append(dirs, at)
			for _, name := range names {
				next = append(next, below(path, name))
			}
		}
		paths = next
	}
	return dirs, paths
}

// cut returns the directory before the first special part of a pattern, with its spelling, and
// the parts below it, at least one.
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

// below returns a name in a directory, spelled as in a pattern.
func below(dir, name string) string {
	if dir == "" || dir == "/" {
		return dir + name
	}
	return dir + "/" + name
}

// matches returns the names in a directory that match one part of a pattern.
func matches(path, part string) ([]string, error) {
	how := os.O_RDONLY
	if !strings.ContainsAny(part, special) {
		how = unix.O_PATH
	}
	dir, err := os.OpenFile(path, how|oDirectory, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return matching(dir, part)
}

// matching lists the names in an open directory that match one part of a pattern. For a
// literal part it does not list the directory.
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

// within returns a path that starts at dir unless it is absolute.
func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
