// Package idranges gives each vassal a range of user and group ids of its own. A table in the state
// directory of the emperor records the ranges, so that a vassal has the same range after a restart
// and a reboot, and no range belongs to two vassals.
package idranges

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/atomicfile"
)

// Pool is the ids from which ranges are taken: Count ranges of Size ids, from Base on.
type Pool struct{ Base, Size, Count uint32 }

// span is the pool as one range.
func (p Pool) span() Range { return Range{p.Base, p.Size * p.Count} }

// Contains reports whether an id is in the pool.
func (p Pool) Contains(id uint32) bool { return p.span().overlaps(Range{id, 1}) }

// Range is a range of ids.
type Range struct{ First, Size uint32 }

func (r Range) overlaps(o Range) bool {
	return uint64(r.First) < uint64(o.First)+uint64(o.Size) && uint64(o.First) < uint64(r.First)+uint64(r.Size)
}

// Key identifies a vassal: the path and the owner of its file.
type Key struct {
	Path  string
	Owner uint32
}

// File is the name of the table in the state directory. Each line has the first id, the size, the owner of
// the file, and the quoted path of the file.
const File = "id-ranges"

// Table is the table of one state directory, which emperors share. Its methods may be called
// concurrently.
type Table struct {
	dir  string
	pool Pool
	// Busy returns the ranges that processes use. Required.
	Busy func() ([]Range, error)
	// Exists reports whether the file of a vassal exists, or may exist. Required.
	Exists func(path string) bool
}

// Open opens the table of a state directory, and makes the directory, which only its owner can enter. A
// directory in which other users can write is an error.
func Open(dir string, pool Pool) (*Table, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the state directory: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return nil, fmt.Errorf("cannot use the state directory %q: %w", dir, err)
	}
	if st.Mode&0o022 != 0 || int(st.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("cannot use the state directory %q: other users can write to it (chown, chmod go-w)", dir)
	}
	return &Table{dir: dir, pool: pool}, nil
}

// Hold returns the range of a vassal, and chooses one when it has none. Until release is called no
// other vassal can get a range: the caller starts a process that uses the range, which Busy reports
// then, and calls release.
func (t *Table) Hold(k Key) (r Range, release func(), err error) {
	lock, err := t.lock()
	if err != nil {
		return r, nil, fmt.Errorf("cannot lock the table of id ranges: %w", err)
	}
	if r, err = t.rangeOf(k); err != nil {
		lock.Close()
		return r, nil, err
	}
	return r, func() { lock.Close() }, nil
}

// lock locks the directory, for all emperors.
func (t *Table) lock() (*os.File, error) {
	f, err := os.Open(t.dir)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// entry is one line of the table.
type entry struct {
	Range
	Key
}

func (t *Table) rangeOf(k Key) (Range, error) {
	entries, err := t.read()
	if err != nil {
		return Range{}, err
	}
	if i := slices.IndexFunc(entries, func(e entry) bool { return e.Key == k }); i >= 0 {
		if t.usable(entries[i].Range) {
			return entries[i].Range, nil
		}
		entries = slices.Delete(entries, i, i+1) // of another emperor-id-range
	}
	r, entries, err := t.choose(entries)
	if err != nil {
		return r, err
	}
	return r, t.write(append(entries, entry{r, k}))
}

// usable reports whether a range is one of the pool.
func (t *Table) usable(r Range) bool {
	p := t.pool
	return r.Size == p.Size && r.First >= p.Base && (r.First-p.Base)%p.Size == 0 && (r.First-p.Base)/p.Size < p.Count
}

// choose returns the first range that no vassal has, or else the range of a vassal whose file is gone, and
// the entries without that. A range with an account, or with processes, is not chosen.
func (t *Table) choose(entries []entry) (Range, []entry, error) {
	taken, err := reserved()
	if err != nil {
		return Range{}, nil, err
	}
	busy, err := t.Busy()
	if err != nil {
		return Range{}, nil, err
	}
	taken = append(taken, busy...)
	free := func(r Range) bool { return !slices.ContainsFunc(taken, r.overlaps) }
	others := make([]Range, 0, len(entries))
	for _, e := range entries {
		others = append(others, e.Range)
	}
	for i := range t.pool.Count {
		r := Range{t.pool.Base + i*t.pool.Size, t.pool.Size}
		if free(r) && !slices.ContainsFunc(others, r.overlaps) {
			return r, entries, nil
		}
	}
	for i, e := range entries {
		if t.usable(e.Range) && free(e.Range) && !t.Exists(e.Path) {
			return e.Range, slices.Delete(entries, i, i+1), nil
		}
	}
	return Range{}, nil, fmt.Errorf("none of %d id ranges is free: vassals, accounts or /etc/subuid have them (a larger emperor-id-range)", t.pool.Count)
}

// read returns the entries. A table that is not readable is an error: a range would belong to two
// vassals.
func (t *Table) read() (entries []entry, err error) {
	text, err := os.ReadFile(filepath.Join(t.dir, File))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the table of id ranges: %w", err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		var e entry
		var path string
		if _, err := fmt.Sscanf(line, "%d %d %d %q\n", &e.First, &e.Size, &e.Owner, &path); err != nil {
			return nil, fmt.Errorf("cannot read the table of id ranges: %s:%d: %w", filepath.Join(t.dir, File), n, err)
		}
		e.Path = path
		entries = append(entries, e)
	}
	return entries, nil
}

// write replaces the table. It survives a crash of the machine.
func (t *Table) write(entries []entry) error {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%d %d %d %s\n", e.First, e.Size, e.Owner, strconv.Quote(e.Path))
	}
	if _, err := atomicfile.Write(filepath.Join(t.dir, File), []byte(b.String()), atomicfile.Options{Sync: true}); err != nil {
		return fmt.Errorf("cannot write the table of id ranges: %w", err)
	}
	return nil
}
