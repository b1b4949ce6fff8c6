package process

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Ledger is a directory in which an emperor records the resources of its vassals' generations
// outside of their processes. After a kill, the next emperor removes them before it launches
// anything. A nil Ledger records nothing.
type Ledger struct {
	dir     string
	emperor namespaces.Identity
	network string // the emperor's own; empty: it cannot be identified
}

// ledgerEntry lists the resources of one generation.
type ledgerEntry struct {
	// Emperor has written it and Vassal is the generation's first process.
	Emperor namespaces.Identity `json:"emperor"`
	Vassal  namespaces.Identity `json:"vassal"`
	// Network is the emperor's network, and Links are its links into the vassal's, whose
	// number in it is Number as long as the vassal's network lives. Nil Number: Links is
	// complete.
	Network string            `json:"network,omitempty"`
	Number  *int              `json:"number,omitempty"`
	Links   []namespaces.Peer `json:"links,omitempty"`
	// Directories end with the generation.
	Directories []string `json:"directories,omitempty"`
}

// OpenLedger returns a ledger in dir. The first record creates dir if it does not exist. It
// must belong to this emperor alone, and no other user may write to it: Settle kills the
// recorded processes.
func OpenLedger(dir string) (*Ledger, error) {
	own, err := namespaces.IdentityOf(os.Getpid())
	if err != nil {
		return nil, err
	}
	l := &Ledger{dir: dir, emperor: own}
	l.network, _ = namespaces.NetworkID() // an old kernel has none
	return l, nil
}

// file returns the file of a generation. A name may contain any byte.
func (l *Ledger) file(name string, generation uint64) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(l.dir, fmt.Sprintf("%x.%d", sum[:8], generation))
}

// write appends the resources of a generation to its file, as one line: an emperor that is
// killed during the write leaves the previous line.
func (l *Ledger) write(name string, generation uint64, p ledgerEntry) error {
	if l == nil {
		return nil
	}
	p.Emperor, p.Network = l.emperor, l.network
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	path := l.file(name, generation)
	err = add(path, append(text, '\n'))
	if errors.Is(err, os.ErrNotExist) { // the first record, or a cleaner has removed the directory
		if err = l.makeDir(); err == nil {
			err = add(path, append(text, '\n'))
		}
	}
	return err
}

// makeDir makes the directory in the runtime directory, which all users may enter.
func (l *Ledger) makeDir() error {
	if err := os.MkdirAll(filepath.Dir(l.dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(l.dir, 0o700); !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// restore writes a removed record again.
func (l *Ledger) restore(name string, generation uint64, p ledgerEntry) error {
	if l == nil {
		return nil
	}
	if _, err := os.Lstat(l.file(name, generation)); !errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return l.write(name, generation, p)
}

func add(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(line)
	return errors.Join(err, f.Close())
}

// forget removes the records of a generation.
func (l *Ledger) forget(name string, generation uint64) {
	if l != nil {
		_ = os.Remove(l.file(name, generation)) // there may be none
	}
}

// unrecordedWait limits the wait for links that were not recorded before their emperor was killed:
// their network is ending, unless its number belongs to another network by now.
const unrecordedWait = 2 * time.Second

// CleanUp removes the recorded resources of dead emperors: it kills vassals that have outlived
// them, deletes the links and returns when the names are free, or when ctx ends. It returns
// the number of records. Resources that could not be removed stay recorded and are an error.
func (l *Ledger) CleanUp(ctx context.Context) (found int, err error) {
	if l == nil {
		return 0, nil
	}
	left := l.read()
	if len(left) == 0 {
		return 0, nil
	}
	var links []namespaces.Peer
	var unnoted []int
	for _, p := range left {
		err = errors.Join(err, p.Vassal.End(ctx)) // parallel kills would gain nothing: they die by themselves
		err = errors.Join(err, removeAll(p.Directories))
		if p.Network != l.network || l.network == "" {
			continue
		}
		links = append(links, p.Links...)
		if p.Number != nil {
			unnoted = append(unnoted, *p.Number)
		}
	}
	err = errors.Join(err, removeLinks(ctx, links, unnoted))
	if err == nil {
		for file := range left {
			err = errors.Join(err, os.Remove(file))
		}
	}
	return len(left), err
}

// removeAll removes directories with their contents. It follows no link (openat(2), as os.RemoveAll
// uses it).
func removeAll(paths []string) (err error) {
	for _, path := range paths {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

// removeLinks deletes recorded links and waits for links that were not recorded.
func removeLinks(ctx context.Context, links []namespaces.Peer, unnoted []int) error {
	there, err := namespaces.Remaining(links)
	if err == nil {
		err = (*namespaces.Sweeper)(nil).Delete(there)
	}
	if err != nil {
		return err
	}
	if len(unnoted) > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, unrecordedWait)
		defer cancel()
	}
	return namespaces.AwaitDoomed(ctx, unnoted)
}

// read returns the last complete line of each file whose emperor is dead. It removes a file
// without one.
func (l *Ledger) read() map[string]ledgerEntry {
	left := map[string]ledgerEntry{}
	files, _ := os.ReadDir(l.dir) // normally there is none
	for _, f := range files {
		path := filepath.Join(l.dir, f.Name())
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var p ledgerEntry
		text = text[:bytes.LastIndexByte(text, '\n')+1]
		lines := slices.Collect(bytes.Lines(text))
		if len(lines) == 0 || json.Unmarshal(lines[len(lines)-1], &p) != nil {
			_ = os.Remove(path)
			continue
		}
		if !p.Emperor.Lives() {
			left[path] = p
		}
	}
	return left
}
