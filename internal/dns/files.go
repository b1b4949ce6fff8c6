package dns

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Mount is a file that a vassal sees in place of another one.
type Mount struct{ Source, Target string }

// Files keeps the files of vassals in a directory, two for each. It may be used by many
// goroutines, for one vassal by one at a time.
type Files struct{ dir string }

// NewFiles makes the directory, and removes the files of an earlier emperor from it.
func NewFiles(dir string) (*Files, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("cannot remove the resolver files of an earlier emperor: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot keep the resolver files of vassals: %w", err)
	}
	return &Files{dir}, nil
}

// of returns the directory of one vassal: its name may be too long for a file, or contain slashes.
func (f *Files) of(vassal string) string {
	sum := sha256.Sum256([]byte(vassal))
	return filepath.Join(f.dir, hex.EncodeToString(sum[:16]))
}

// mounts returns the mounts of the files of a vassal.
func (f *Files) mounts(vassal string) []Mount {
	dir := f.of(vassal)
	return []Mount{{filepath.Join(dir, "hosts"), HostsFile}, {filepath.Join(dir, "resolv.conf"), ResolverFile}}
}

// Put writes the files of a vassal, and returns their mounts. A file that is mounted already
// changes for the vassal at once: it stays the same file.
func (f *Files) Put(vassal, hosts, resolver string) ([]Mount, error) {
	mounts := f.mounts(vassal)
	err := os.MkdirAll(f.of(vassal), 0o755) // a cleaner may have removed it
	for i, text := range []string{hosts, resolver} {
		if err == nil {
			err = rewrite(mounts[i].Source, []byte(text))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot write the resolver files of %q: %w", vassal, err)
	}
	return mounts, nil
}

// Resolver writes only the resolver file of a vassal. A vassal without files is none of the
// caller's business: it gets none.
func (f *Files) Resolver(vassal, resolver string) error {
	err := rewrite(filepath.Join(f.of(vassal), "resolv.conf"), []byte(resolver))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot write the resolver file of %q: %w", vassal, err)
	}
	return nil
}

// rewrite gives a file a content by one write, so that no reader sees half of it. A shorter
// content is filled with empty lines up to the length of the one before.
func rewrite(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if missing := int(info.Size()) - len(text); missing > 0 {
		text = append(text, bytes.Repeat([]byte("\n"), missing)...)
	}
	_, err = f.WriteAt(text, 0)
	return errors.Join(err, f.Chmod(0o644)) // whatever the mode mask
}

// Remove removes the files of a vassal. Missing ones are no error.
func (f *Files) Remove(vassal string) error {
	if err := os.RemoveAll(f.of(vassal)); err != nil {
		return fmt.Errorf("cannot remove the resolver files of %q: %w", vassal, err)
	}
	return nil
}

// Close removes the directory.
func (f *Files) Close() error { return os.RemoveAll(f.dir) }
