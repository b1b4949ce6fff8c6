package hooks

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Plugin is a shared library that is loaded before any phase runs.
type Plugin struct {
	// Name is a path, or a word that is searched in the plugin directories.
	Name string
	// Init is a function of the library that is called at once. Empty: none.
	Init string
	// Optional: when the library is missing, the program continues with a warning.
	Optional bool
}

// Libraries are the shared libraries of one program, in the order of its file.
type Libraries struct {
	Plugins []Plugin `json:",omitempty"`
	// Dirs are searched, in order, for plugins that are given as a word.
	Dirs []string `json:",omitempty"`
}

// ParsePlugin parses NAME_OR_PATH or NAME_OR_PATH|INIT.
func ParsePlugin(text string, optional bool) (Plugin, error) {
	name, init, given := strings.Cut(text, "|")
	p := Plugin{Name: strings.TrimSpace(name), Init: strings.TrimSpace(init), Optional: optional}
	switch {
	case p.Name == "":
		return p, mistake("such as /usr/lib/plugin.so|init", "no plugin given")
	case strings.Contains(p.Name, "/") && !filepath.IsAbs(p.Name):
		return p, mistake("an absolute path, or a word that is searched in plugin-dir", "%q depends on the working directory", p.Name)
	case given:
		return p, checkSymbol(p.Init)
	}
	return p, nil
}

// Wanted reports whether any library is to be loaded. It ignores an optional library that does
// not exist: that needs no native program.
func (l Libraries) Wanted() bool {
	for _, p := range l.Plugins {
		if _, err := l.find(p); err == nil {
			return true
		}
	}
	return false
}

// find returns the path of a plugin. For a word it tries WORD_plugin.so, the name of uWSGI's
// plugins, then libWORD.so, WORD.so and WORD.
func (l Libraries) find(p Plugin) (string, error) {
	if filepath.IsAbs(p.Name) {
		return p.Name, nil
	}
	var searched []string
	for _, dir := range l.Dirs {
		for _, file := range []string{p.Name + "_plugin.so", "lib" + p.Name + ".so", p.Name + ".so", p.Name} {
			path := filepath.Join(dir, file)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path, nil
			}
			searched = append(searched, path)
		}
	}
	if searched == nil {
		return "", fmt.Errorf("cannot load plugin %q: no plugin-dir is set", p.Name)
	}
	return "", fmt.Errorf("cannot load plugin %q: no such file (searched: %s)", p.Name, strings.Join(searched, ", "))
}

// TwinOf returns the path of the variant of a program that can call C functions.
func TwinOf(program string) string { return program + "-native" }
