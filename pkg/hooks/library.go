package hooks

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Plugin is a shared library to be loaded before any phase runs.
type Plugin struct {
	// Name is a path, or a word to be looked for in the directories of plugins.
	Name string
	// Init is a function of it to be called at once. Empty: none.
	Init string
	// Optional: without it everything goes on, with a warning.
	Optional bool
}

// Libraries are the shared libraries of one program, in the order of its file.
type Libraries struct {
	Plugins []Plugin `json:",omitempty"`
	// Dirs are where plugins are looked for that are words, in order.
	Dirs []string `json:",omitempty"`
}

// ParsePlugin reads NAME_OR_PATH or NAME_OR_PATH|INIT.
func ParsePlugin(text string, optional bool) (Plugin, error) {
	name, init, given := strings.Cut(text, "|")
	p := Plugin{Name: strings.TrimSpace(name), Init: strings.TrimSpace(init), Optional: optional}
	switch {
	case p.Name == "":
		return p, mistake("such as /usr/lib/plugin.so|init", "no plugin given")
	case strings.Contains(p.Name, "/") && !filepath.IsAbs(p.Name):
		return p, mistake("an absolute path, or a word that is looked for in plugin-dir", "%q depends on the working directory", p.Name)
	case given:
		return p, checkSymbol(p.Init)
	}
	return p, nil
}

// Wanted tells whether there is a library to be loaded that can be: one that is
// optional and nowhere to be found needs no other program.
func (l Libraries) Wanted() bool {
	for _, p := range l.Plugins {
		if _, err := l.find(p); err == nil {
			return true
		}
	}
	return false
}

// find returns the path of a plugin. A word is looked for as WORD_plugin.so, which
// is what uWSGI's are called, as libWORD.so, WORD.so and WORD.
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
		return "", fmt.Errorf("cannot load plugin %q: no plugin-dir says where it is", p.Name)
	}
	return "", fmt.Errorf("cannot load plugin %q: there is none (searched: %s)", p.Name, strings.Join(searched, ", "))
}

// TwinOf is the path of the program that calls functions of C beside one that does
// not.
func TwinOf(program string) string { return program + "-native" }
