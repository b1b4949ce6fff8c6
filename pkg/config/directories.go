package config

import (
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// Directories are the directories of one kind that a vassal gets, as a service of systemd does
// (systemd.exec(5), RuntimeDirectory= and its siblings).
type Directories struct {
	// Names are their names, each one component of a path.
	Names []string
	// Mode is their mode; ModeSet: it is given, otherwise 0755 applies.
	Mode    fs.FileMode
	ModeSet bool
}

// DirectoryKind is where directories of a kind are, and how a program finds them.
type DirectoryKind struct {
	// Option gives their names. Variable names the variable with their paths, separated by colons.
	Option, Variable string
	// Parent is where root's vassals have them, and Home the place below the home directory of any
	// other user; of runtime directories it is not used.
	Parent, Home string
}

// directoryKinds are in the order of Vassal.Directories.
var directoryKinds = [...]DirectoryKind{
	{"runtime-directory", "RUNTIME_DIRECTORY", "/run", ""},
	{"state-directory", "STATE_DIRECTORY", "/var/lib", ".local/state"},
	{"cache-directory", "CACHE_DIRECTORY", "/var/cache", ".cache"},
	{"logs-directory", "LOGS_DIRECTORY", "/var/log", ".local/state/log"},
}

// Positions in directoryKinds.
const (
	runtimeKind = iota
	stateKind
	cacheKind
	logsKind
)

// DirectoryKinds returns the kinds, in the order of Vassal.Directories.
func DirectoryKinds() []DirectoryKind { return directoryKinds[:] }

// In returns the parent of the directories, for vassals that a user starts.
func (k DirectoryKind) In(uid int, home string) string {
	switch {
	case uid == 0:
		return k.Parent
	case k.Home == "":
		return "/run/user/" + strconv.Itoa(uid)
	}
	return filepath.Join(home, k.Home)
}

// RuntimeDirectories returns the paths of the directories that end with the vassal, when a user
// starts it.
func (v *Vassal) RuntimeDirectories(uid int) (paths []string) {
	for _, name := range v.Directories[runtimeKind].Names {
		paths = append(paths, filepath.Join(directoryKinds[runtimeKind].In(uid, ""), name))
	}
	return paths
}

// Perm returns the mode of the directories.
func (d Directories) Perm() fs.FileMode {
	if d.ModeSet {
		return d.Mode
	}
	return 0o755
}

// directoryName reports whether a word may name a directory: its parent belongs to root, and no
// deeper one to the vassal's user, who could replace it by a link.
func directoryName(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/:") && len(s) < 256
}
