package monitor

import (
	"os"
	"path/filepath"
	"strings"
)

// maxLinks bounds how many symbolic links one name may lead through, as the
// kernel does (path_resolution(7)).
const maxLinks = 40

// place is an entry in a directory whose change can change what a path means.
type place struct{ dir, entry string }

// linkPlaces returns where a change can give another meaning to entry in dir,
// beyond that entry itself: every link on the way and the file at the end. It is
// empty for an entry that is no link. The result is only good for choosing what
// to watch; nothing is opened by it.
func linkPlaces(dir, entry string) []place {
	target, err := os.Readlink(filepath.Join(dir, entry))
	if err != nil {
		return nil
	}
	return walk(dir, target, 1)
}

// walk follows path from the directory at. links counts those followed so far.
func walk(at, path string, links int) []place {
	if filepath.IsAbs(path) {
		at = "/"
	}
	var places []place
	parts := strings.Split(path, "/")
	for i, part := range parts {
		switch part {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		target, err := os.Readlink(filepath.Join(at, part))
		if err == nil {
			places = append(places, place{at, part})
			if links == maxLinks {
				return places
			}
			rest := append([]string{target}, parts[i+1:]...)
			return append(places, walk(at, strings.Join(rest, "/"), links+1)...)
		}
		if i == len(parts)-1 {
			places = append(places, place{at, part})
		}
		at = filepath.Join(at, part)
	}
	return places
}
