// Package libexec finds the programs that our programs start. They are no commands: neither PATH
// nor any other variable leads to them, because a vassal could change it.
package libexec

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Names of programs, and the first arguments of Helper, which decide its task.
const (
	Server = "vassal-server"
	Helper = "vassal-helper"

	Parse = "parse" // reads YAML and XML
	PTY   = "pty"   // shares a terminal, or is its client
)

// inPrefix is where `make install` puts the programs that are no commands.
const inPrefix = "libexec/emperor"

// Find returns the path of a program that belongs to this one: of the same directory, or else
// of ../libexec/emperor. A program in a libexec/emperor also finds the commands in ../../bin.
// When there is none, the path is the first that was tried, and the error wraps os.ErrNotExist.
func Find(name string) (path string, err error) {
	self, err := os.Executable()
	if err != nil {
		return name, fmt.Errorf("cannot find %q: %w", name, err)
	}
	return FindFor(self, name)
}

// FindFor is Find for another program, given by its path.
func FindFor(program, name string) (path string, err error) {
	dirs := directories(program)
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if _, err := exec.LookPath(path); err == nil {
			return path, nil
		}
	}
	return filepath.Join(dirs[0], name), fmt.Errorf("cannot find %q in %s: %w", name, strings.Join(dirs, " or "), os.ErrNotExist)
}

// directories returns the directories in which a program finds others, in the order of the
// search.
func directories(program string) []string {
	own := filepath.Dir(program)
	dirs := []string{own, filepath.Join(own, "..", inPrefix)}
	if strings.HasSuffix(own, "/"+inPrefix) {
		dirs = []string{own, filepath.Join(own, "../../bin")}
	}
	return dirs
}
