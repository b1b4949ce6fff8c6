package network

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/atomicfile"
)

// Pool leases addresses to vassals by their names. A vassal has the same number in each prefix
// of the pool, and gets the same one again for as long as no other vassal needs it. The number
// 0 is the network, and 1 the gateway's. Its methods may be called by many goroutines.
type Pool struct {
	prefixes []netip.Prefix // at most one of each family
	dir      string
	size     uint64

	mu     sync.Mutex
	leases map[string]*lease
	taken  map[uint64]*lease
	fixed  map[netip.Addr]string // addresses that files give to vassals
}

// lease is a number that a vassal has or had.
type lease struct {
	Name   string `json:"name"`
	Number uint64 `json:"number"`
	// Released is the time of its end. Zero: it is in use.
	Released time.Time `json:"released,omitzero"`
	kept     bool      // for the next emperor
}

// FullError is returned when every address of the pool is in use.
type FullError struct{ Pool []netip.Prefix }

func (e *FullError) Error() string {
	return fmt.Sprintf("all addresses of the pool %s are in use (emperor-network-pool = a larger prefix)", e.Pool)
}

// The largest number of addresses that a pool uses of a prefix.
const maxPool = 1 << 24

// NewPool returns a pool of at most one prefix of each family, which keeps its leases as files
// in a directory. Leases that are there are restored as released ones.
func NewPool(dir string, prefixes ...netip.Prefix) (*Pool, error) {
	p := &Pool{dir: dir, size: maxPool, leases: map[string]*lease{}, taken: map[uint64]*lease{}, fixed: map[netip.Addr]string{}}
	for _, prefix := range prefixes {
		prefix = prefix.Masked()
		if slices.ContainsFunc(p.prefixes, func(q netip.Prefix) bool { return q.Addr().Is4() == prefix.Addr().Is4() }) {
			return nil, fmt.Errorf("the pool has two prefixes of one family: %s", prefix)
		}
		bits := prefix.Addr().BitLen() - prefix.Bits()
		if bits < 2 {
			return nil, fmt.Errorf("%s has no room for vassals: a gateway and one vassal need a /%d", prefix, prefix.Addr().BitLen()-2)
		}
		if bits < 24 {
			n := uint64(1) << bits
			if prefix.Addr().Is4() {
				n-- // the last address is broadcast
			}
			p.size = min(p.size, n)
		}
		p.prefixes = append(p.prefixes, prefix)
	}
	slices.SortFunc(p.prefixes, func(a, b netip.Prefix) int { return cmp.Compare(a.Addr().BitLen(), b.Addr().BitLen()) })
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot keep leases of addresses: %w", err)
	}
	return p, p.restore()
}

// restore reads the leases of an earlier emperor. A broken file is no lease.
func (p *Pool) restore() error {
	files, err := os.ReadDir(p.dir)
	if err != nil {
		return fmt.Errorf("cannot read leases of addresses: %w", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(p.dir, f.Name()))
		l := &lease{}
		if err != nil || json.Unmarshal(b, l) != nil || l.file() != f.Name() || l.Number < first || l.Number >= p.size || p.taken[l.Number] != nil {
			continue
		}
		if l.Released.IsZero() {
			l.Released = time.Now()
		}
		p.leases[l.Name], p.taken[l.Number] = l, l
	}
	return nil
}

// smallPool is the size of a pool that is searched completely.
const smallPool = 1 << 16

// first is the number of the first vassal.
const first = 2

// file is the name of the lease's file: vassals' names may be too long or contain slashes.
func (l *lease) file() string {
	sum := sha256.Sum256([]byte(l.Name))
	return hex.EncodeToString(sum[:16])
}

// Gateways returns the pool's first address of each family.
func (p *Pool) Gateways() []netip.Addr { return p.at(1) }

// Prefixes returns the prefixes of the pool, IPv4 first.
func (p *Pool) Prefixes() []netip.Prefix { return p.prefixes }

// Bits returns the lengths of the prefixes.
func (p *Pool) Bits() []int {
	bits := make([]int, len(p.prefixes))
	for i, prefix := range p.prefixes {
		bits[i] = prefix.Bits()
	}
	return bits
}

func (p *Pool) at(number uint64) []netip.Addr {
	addresses := make([]netip.Addr, len(p.prefixes))
	for i, prefix := range p.prefixes {
		b := prefix.Addr().As16()
		low := binary.BigEndian.Uint64(b[8:])
		binary.BigEndian.PutUint64(b[8:], low+number) // no carry: the pool is not larger than its prefix
		if addresses[i] = netip.AddrFrom16(b); prefix.Addr().Is4() {
			addresses[i] = addresses[i].Unmap()
		}
	}
	return addresses
}

// TakenError is returned when another vassal has an address.
type TakenError struct {
	Address netip.Addr
	Vassal  string
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("vassal %q has the address %s (network-address = another one)", e.Vassal, e.Address)
}

// Fix gives a vassal an address, inside or outside of the pool, until it is released. One that
// another vassal uses is a TakenError.
func (p *Pool) Fix(name string, a netip.Addr) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if other, fixed := p.fixed[a]; fixed && other != name {
		return &TakenError{a, other}
	}
	for number, l := range p.taken {
		if l.Name == name || !slices.Contains(p.at(number), a) {
			continue
		}
		if l.Released.IsZero() {
			return &TakenError{a, l.Name}
		}
		delete(p.taken, number)
		delete(p.leases, l.Name)
		_ = os.Remove(filepath.Join(p.dir, l.file()))
		break
	}
	p.fixed[a] = name
	return nil
}

// isFixed reports whether a file gives an address of the number to another vassal.
func (p *Pool) isFixed(number uint64, name string) bool {
	if len(p.fixed) == 0 {
		return false
	}
	return slices.ContainsFunc(p.at(number), func(a netip.Addr) bool { return p.fixed[a] != "" && p.fixed[a] != name })
}

// Lease returns the addresses of a vassal, one of each family. Reused are the ones of another
// vassal before: connections of that one must be forgotten. A full pool is a FullError.
func (p *Pool) Lease(name string) (addresses []netip.Addr, reused bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.leases[name]
	if l != nil && p.isFixed(l.Number, name) {
		delete(p.taken, l.Number)
		l = nil
	}
	if l == nil {
		if l, reused = p.free(name); l == nil {
			return nil, false, &FullError{p.prefixes}
		}
	}
	l.Released, l.kept = time.Time{}, false
	p.leases[name], p.taken[l.Number] = l, l
	if err := p.keep(l); err != nil {
		return nil, false, err
	}
	return p.at(l.Number), reused, nil
}

// free finds a number: by the hash of the name, then the next ones; if all have been used, the
// one that was released first.
func (p *Pool) free(name string) (l *lease, reused bool) {
	sum := sha256.Sum256([]byte(name))
	room := p.size - first
	if uint64(len(p.taken)+len(p.fixed)) < room || uint64(len(p.taken)) < room && room <= smallPool {
		start := binary.BigEndian.Uint64(sum[:8]) % room
		for i := range room {
			if n := first + (start+i)%room; p.taken[n] == nil && !p.isFixed(n, name) {
				return &lease{Name: name, Number: n}, false
			}
		}
	}
	var oldest *lease
	for _, l := range p.taken {
		if !l.Released.IsZero() && !p.isFixed(l.Number, name) && (oldest == nil || l.Released.Before(oldest.Released)) {
			oldest = l
		}
	}
	if oldest == nil {
		return nil, false
	}
	delete(p.leases, oldest.Name)
	_ = os.Remove(filepath.Join(p.dir, oldest.file()))
	return &lease{Name: name, Number: oldest.Number}, true
}

// Release ends the lease of a vassal that is gone. Its addresses go to others last.
func (p *Pool) Release(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.fixed, func(_ netip.Addr, of string) bool { return of == name })
	if l := p.leases[name]; l != nil {
		l.kept = false
		return p.release(l)
	}
	return nil
}

// Keep ends the lease of a vassal because its emperor stops: the pool of the next one gives the vassal the same addresses.
func (p *Pool) Keep(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.leases[name]; l != nil {
		l.kept = true
		return p.release(l)
	}
	return nil
}

// release writes the end of a lease down. The caller holds mu.
func (p *Pool) release(l *lease) error {
	if !l.Released.IsZero() {
		return nil
	}
	l.Released = time.Now()
	return p.keep(l)
}

// holders lists the vassals that have addresses, or for which their files reserve some.
func (p *Pool) holders() (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.leases {
		if l.Released.IsZero() {
			names = append(names, l.Name)
		}
	}
	return slices.AppendSeq(names, maps.Values(p.fixed))
}

// addressesOf adds the addresses of vassals to a set.
func (p *Pool) addressesOf(vassals map[string]bool, to map[netip.Addr]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.leases {
		if vassals[l.Name] {
			for _, a := range p.at(l.Number) {
				to[a] = true
			}
		}
	}
	for a, name := range p.fixed {
		if vassals[name] {
			to[a] = true
		}
	}
}

// otherFiles lists the files of the directory that are no leases, such as files of a process that was killed while
// it wrote one.
func (p *Pool) otherFiles() (paths []string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	files, err := os.ReadDir(p.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot read leases of addresses: %w", err)
	}
	own := map[string]bool{}
	for _, l := range p.leases {
		own[l.file()] = true
	}
	for _, f := range files {
		if !own[f.Name()] {
			paths = append(paths, filepath.Join(p.dir, f.Name()))
		}
	}
	return paths, nil
}

// Close removes the leases from the directory, but for the ones that are kept for the next pool: of vassals that Keep was
// called for, or all. The pool is not used afterwards.
func (p *Pool) Close(all bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var failed []error
	for _, l := range p.leases {
		if all {
			failed = append(failed, p.keep(l)) // the one of a killed emperor is released
			continue
		}
		if l.kept {
			continue
		}
		if err := os.Remove(filepath.Join(p.dir, l.file())); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// keep writes a lease down.
func (p *Pool) keep(l *lease) error {
	b, err := json.Marshal(l)
	if err == nil {
		_, err = atomicfile.Write(filepath.Join(p.dir, l.file()), b, atomicfile.Options{})
	}
	if errors.Is(err, os.ErrNotExist) { // a cleaner has removed the directory
		if err = os.MkdirAll(p.dir, 0o700); err == nil {
			_, err = atomicfile.Write(filepath.Join(p.dir, l.file()), b, atomicfile.Options{})
		}
	}
	if err != nil {
		return fmt.Errorf("cannot keep the lease of %q: %w", l.Name, err)
	}
	return nil
}
