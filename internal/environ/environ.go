// Package environ decides which variables a process gets: it lists the ones that belong to one process, and
// applies the options env, unenv and envdir. The emperor and the vassal use the same code.
package environ

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Change is a change of an environment by an option.
type Change struct {
	// Kind is set, unset or dir. A directory has a file for each variable.
	Kind string
	// Key is a variable or the directory, and Value the new value.
	Key, Value string
}

// Vars is an environment. Each element is KEY=value, and each key occurs once.
type Vars []string

// Index returns the position of a variable, or -1.
func (vars Vars) Index(key string) int {
	return slices.IndexFunc(vars, func(e string) bool { k, _, _ := strings.Cut(e, "="); return k == key })
}

// Unset removes a variable.
func (vars *Vars) Unset(key string) {
	if i := vars.Index(key); i >= 0 {
		*vars = slices.Delete(*vars, i, i+1)
	}
}

// Set sets a variable.
func (vars *Vars) Set(key, value string) {
	if i := vars.Index(key); i >= 0 {
		(*vars)[i] = key + "=" + value
		return
	}
	*vars = append(*vars, key+"="+value)
}

// Change applies options in order. Its errors are about the directory of an envdir.
func (vars *Vars) Change(list []Change) error {
	for _, c := range list {
		switch c.Kind {
		case "set":
			vars.Set(c.Key, c.Value)
		case "unset":
			vars.Unset(c.Key)
		case "dir":
			if err := vars.readDir(c.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// readDir sets one variable for each file of a directory, to the first line of the file. An
// empty file removes the variable. envdir(8) of daemontools does the same.
func (vars *Vars) readDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("cannot use envdir: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || strings.Contains(e.Name(), "=") || !e.Type().IsRegular() && e.Type()&os.ModeSymlink == 0 {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("cannot use envdir: %w", err)
		}
		if len(text) == 0 {
			vars.Unset(e.Name())
			continue
		}
		line, _, _ := strings.Cut(string(text), "\n")
		vars.Set(e.Name(), strings.ReplaceAll(strings.TrimRight(line, " \t\r"), "\x00", "\n"))
	}
	return nil
}

// Adopt changes the environment of this process as Change does, and returns the names of the
// variables that it set.
func Adopt(list []Change) (names []string, err error) {
	before := Vars(os.Environ())
	after := slices.Clone(before)
	if err := after.Change(list); err != nil {
		return nil, err
	}
	for _, e := range before {
		if key, _, _ := strings.Cut(e, "="); key != "" && after.Index(key) < 0 {
			if err := os.Unsetenv(key); err != nil {
				return nil, err
			}
		}
	}
	for _, c := range list {
		if c.Kind == "set" && after.Index(c.Key) >= 0 { // even when the value is unchanged
			names = append(names, c.Key)
		}
	}
	for _, e := range after {
		key, value, _ := strings.Cut(e, "=")
		if slices.Contains(before, e) {
			continue
		}
		if err := os.Setenv(key, value); err != nil {
			return nil, fmt.Errorf("cannot set environment variable %q: %w", key, err)
		}
		names = append(names, key)
	}
	return names, nil
}
