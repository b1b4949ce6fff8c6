package namespaces

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// IDRange is a range of ids of the host that belongs to one user namespace.
type IDRange struct{ First, Size uint32 }

// IDs are the maps of a new user namespace, from ids inside to ids of this process's namespace.
type IDs struct {
	UIDs, GIDs []syscall.SysProcIDMap
	// Files are the maps of binds: from ids on disk, which have the same numbers inside, to ids of this process's namespace. Nil: files have
	// the ids on disk.
	Files *IDs
}

// FilesOf returns the maps for binds, from ids on disk. Each of the ids is the id of that number in the range.
// The ids below the range are themselves, because the kernel permits no write to files with other ids. ok is
// false when the range is too small.
func (r IDRange) FilesOf(ids ...uint32) (maps []syscall.SysProcIDMap, ok bool) {
	next := uint32(0)
	same := func(end uint32) {
		if end > next {
			maps = append(maps, syscall.SysProcIDMap{ContainerID: int(next), HostID: int(next), Size: int(end - next)})
		}
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if id >= min(r.Size, r.First) {
			return nil, false
		}
		same(id)
		maps = append(maps, syscall.SysProcIDMap{ContainerID: int(id), HostID: int(r.First + id), Size: 1})
		next = id + 1
	}
	same(r.First)
	return maps, true
}

// Map returns a map of a user namespace: the ids from 0 on are the range, except that each kept id is
// itself. A kept id may be above the size of the range. Kept ids must be outside of the range.
func (r IDRange) Map(keep ...uint32) []syscall.SysProcIDMap {
	var maps []syscall.SysProcIDMap
	next := uint32(0)
	upTo := func(end uint32) {
		if end > next {
			maps = append(maps, syscall.SysProcIDMap{ContainerID: int(next), HostID: int(r.First + next), Size: int(end - next)})
		}
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(keep))) {
		upTo(min(id, r.Size))
		maps = append(maps, syscall.SysProcIDMap{ContainerID: int(id), HostID: int(id), Size: 1})
		next = max(next, min(id+1, r.Size))
	}
	upTo(r.Size)
	return maps
}

// Outside returns the ids of the host for a user and a group of the namespace. ok is false when one has none.
func (i *IDs) Outside(uid, gid uint32) (hostUID, hostGID int, ok bool) {
	look := func(maps []syscall.SysProcIDMap, id uint32) int {
		for _, m := range maps {
			if d := int(id) - m.ContainerID; d >= 0 && d < m.Size {
				return m.HostID + d
			}
		}
		return -1
	}
	hostUID, hostGID = look(i.UIDs, uid), look(i.GIDs, gid)
	return hostUID, hostGID, hostUID >= 0 && hostGID >= 0
}

// RootOf reports whether a process is in a user namespace, other than this process's, whose root is a user of
// the same number here, and whether the root of its namespace is this process's root.
func RootOf(pid int) (identity, same bool, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", pid))
	if err != nil {
		return false, false, fmt.Errorf("cannot read its user namespace: %w", err)
	}
	ours, err := Shares(pid, "user")
	id, unmapped := mappedID(string(text), 0)
	same = ours || unmapped == nil && id == 0
	return same && !ours, same, err
}

// MappedRanges returns the ranges of this host's ids that user namespaces with processes map, other than
// the whole of this process's own and single ids.
func MappedRanges() ([]IDRange, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("cannot read the maps of user namespaces: %w", err)
	}
	own, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return nil, fmt.Errorf("cannot read the maps of user namespaces: %w", err)
	}
	seen := map[string]bool{string(own): true}
	var ranges []IDRange
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		for _, file := range []string{"/uid_map", "/gid_map"} {
			text, err := os.ReadFile("/proc/" + e.Name() + file)
			if err != nil || seen[string(text)] {
				continue // it has ended
			}
			seen[string(text)] = true
			ranges = append(ranges, outside(string(text))...)
		}
	}
	return ranges, nil
}

// outside returns the ranges of host ids in a map of user_namespaces(7).
func outside(text string) (ranges []IDRange) {
	for _, m := range parseIDMap(text) {
		if m.Size > 1 {
			ranges = append(ranges, IDRange{uint32(m.HostID), uint32(m.Size)}) //nolint:gosec // the kernel's ids have 32 bits
		}
	}
	return ranges
}

// parseIDMap returns the lines of a map of user_namespaces(7).
func parseIDMap(text string) (maps []syscall.SysProcIDMap) {
	for line := range strings.Lines(text) {
		if f := parseList(line); len(f) == 3 {
			maps = append(maps, syscall.SysProcIDMap{ContainerID: int(f[0]), HostID: int(f[1]), Size: int(f[2])})
		}
	}
	return maps
}
