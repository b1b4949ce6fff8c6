package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// directoryClosed: the vassal's user must be able to enter the directories that the vassal
// works in, serves, binds sockets in, and runs its program from.
func directoryClosed(s Subject, found report) {
	v := s.Vassal
	user, err := accounts.Wish{UID: v.UID, GID: v.GID, AddGID: v.AddGID, NoInitgroups: v.NoInitgroups}.Resolve()
	if err != nil || user.UID == 0 {
		return // accountUnknown reports the error
	}
	closed := func(key, dir, hint string, line ...config.Origin) {
		if at := firstClosed(dir, user); at != "" {
			found(key, fmt.Sprintf("uid %d cannot enter %q", user.UID, at), hint, line...)
		}
	}
	if v.Chdir != "" {
		closed("chdir", v.Chdir, "chdir = /")
	}
	for _, p := range programsOf(v) {
		if filepath.IsAbs(p.name) {
			closed(p.key, filepath.Dir(p.name), "")
		}
	}
	for _, path := range servedPaths(v) {
		closed("static-map", within(v, path), "")
	}
	for _, s := range v.Sockets { // a shared socket is bound as root
		if _, shared := s.Shared(); !shared && address.InFiles(s.Address) {
			closed(s.Name, filepath.Dir(within(v, s.Address)), "a directory in /run that belongs to the user", v.OriginOf(s.Name, s.Address))
		}
	}
}

// servedPaths returns the files and directories of static-map.
func servedPaths(v *config.Vassal) (paths []string) {
	for _, set := range v.Settings(false) {
		if set.Name != "static-map" {
			continue
		}
		if _, path, ok := strings.Cut(set.Value, "="); ok {
			paths = append(paths, path)
		}
	}
	return paths
}

// firstClosed returns the first directory on the path to dir, dir included, whose mode denies
// search to the user (path_resolution(7)). It returns an empty string when there is none, or
// when the path is relative and starts in a directory that the vassal inherits. It does not
// read access control lists.
func firstClosed(dir string, user namespaces.Credentials) string {
	if !filepath.IsAbs(dir) {
		return ""
	}
	dir = filepath.Clean(dir)
	for end := range len(dir) + 1 {
		if end < len(dir) && dir[end] != '/' {
			continue
		}
		at := dir[:max(end, 1)]
		info, err := os.Stat(at)
		if err != nil || !info.IsDir() {
			return "" // directoryMissing reports it
		}
		if !searchable(info, user) {
			return at
		}
	}
	return ""
}

func searchable(info os.FileInfo, user namespaces.Credentials) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	switch mode := info.Mode().Perm(); {
	case stat.Uid == user.UID:
		return mode&0o100 != 0
	case stat.Gid == user.GID || slices.Contains(user.Groups, stat.Gid):
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}
