package config

import (
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
)

// Directories are the directories of one kind that a vassal gets. They work like systemd's for a
// service (systemd.exec(5), RuntimeDirectory= and the related options).
type Directories struct {
	// Names of the directories, each one component of a path.
	Names []string
	// Mode of the directories, if ModeSet; otherwise 0755.
	Mode    fs.FileMode
	ModeSet bool
}

// DirectoryKind describes the location of the directories of a kind, and the variable that names
// them to programs.
type DirectoryKind struct {
	// Option lists the names of the directories. Variable is the environment variable with their
	// paths, separated by colons.
	Option, Variable string
	// Parent contains the directories of root's vassals. Home is their parent below the home
	// directory of another user; runtime directories do not use it.
	Parent, Home string
}

// directoryKinds has the order of Vassal.Directories.
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

// In returns the parent of the directories for vassals that the user uid starts.
func (k DirectoryKind) In(uid int, home string) string {
	switch {
	case uid == 0:
		return k.Parent
	case k.Home == "":
		return "/run/user/" + strconv.Itoa(uid)
	}
	return filepath.Join(home, k.Home)
}

// RuntimeDirectories returns the paths of the directories that are removed at the end of the
// vassal, when the user uid starts it.
func (v *Vassal) RuntimeDirectories(uid int) (paths []string) {
	for _, name := range v.Directories[runtimeKind].Names {
		paths = append(paths, filepath.Join(directoryKinds[runtimeKind].In(uid, ""), name))
	}
	return paths
}

// EachDirectory calls each with the path and the mode of every directory of a vassal that the user uid starts.
func (v *Vassal) EachDirectory(uid int, home string, each func(path string, mode fs.FileMode)) {
	for i, kind := range directoryKinds {
		for _, name := range v.Directories[i].Names {
			each(filepath.Join(kind.In(uid, home), name), v.Directories[i].Perm())
		}
	}
}

// Perm returns the mode of the directories.
func (d Directories) Perm() fs.FileMode {
	if d.ModeSet {
		return d.Mode
	}
	return 0o755
}

// directoryName reports whether a word is a valid name of a directory: one component, so that the
// parent belongs to root. In a deeper path the vassal's user could replace a component by a link.
func directoryName(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/:") && len(s) < 256
}
