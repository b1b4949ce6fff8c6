package monitor

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/emperor-go/emperor/internal/reads"
)

// maxLinks limits the symbolic links of one name, as the kernel does (path_resolution(7)).
const maxLinks = 40

// place is an entry in a directory whose change can change the destination of a path.
type place struct{ dir, entry string }

func (p place) path() string { return filepath.Join(p.dir, p.entry) }

// linkPlaces returns the places where a change can change the destination of entry in dir,
// except that entry itself: every link on the way and the file at the end. It is empty for an
// entry that is not a link. The result only selects the places to watch and the file systems
// that are read; nothing is opened by it.
func linkPlaces(touch reads.At, dir, entry string) ([]place, error) {
	path := filepath.Join(dir, entry)
	if err := touch(path); err != nil {
		return nil, err
	}
	target, err := os.Readlink(path)
	if err != nil {
		return nil, nil //nolint:nilerr // it is no link
	}
	return walk(touch, dir, target, 1)
}

// walk follows path from the directory at, and calls touch with each path on the way. links
// counts those followed so far.
func walk(touch reads.At, at, path string, links int) (places []place, err error) {
	if filepath.IsAbs(path) {
		at = "/"
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		switch part {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		if err := touch(filepath.Join(at, part)); err != nil {
			return places, err
		}
		target, err := os.Readlink(filepath.Join(at, part))
		if err == nil {
			places = append(places, place{at, part})
			if links == maxLinks {
				return places, nil
			}
			rest := append([]string{target}, parts[i+1:]...)
			more, err := walk(touch, at, strings.Join(rest, "/"), links+1)
			return append(places, more...), err
		}
		if i == len(parts)-1 {
			places = append(places, place{at, part})
		}
		at = filepath.Join(at, part)
	}
	return places, nil
}

// watchPlaces watches the directories of places, and returns the watched ones.
func (f *files) watchPlaces(places []place) (watched []place) {
	if f.watch == nil {
		return nil
	}
	done := map[string]bool{}
	for _, p := range places {
		ok, known := done[p.dir]
		if !known {
			ok = f.watch.add(p.dir) == nil
			done[p.dir] = ok
		}
		if ok {
			watched = append(watched, p)
		}
	}
	return watched
}
