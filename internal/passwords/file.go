// Package passwords answers one question: is this the password of that user? The list is a file of
// htpasswd.
package passwords

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/tg123/go-htpasswd"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/revision"
)

// maxProven limits the number of verified passwords that are remembered: verifying a password
// is slow by design.
const maxProven = 128

// File is a file of htpasswd, read again when it changes. Entries in plain text are ignored.
type File struct {
	// Path of the file. Required.
	Path string

	mu     sync.Mutex
	list   *htpasswd.File
	read   revision.Revision // of list; zero: the next change may have the same revision
	sum    [sha256.Size]byte // of the content of list
	proven map[[sha256.Size]byte]bool
}

// schemes are the accepted formats of an entry.
var schemes = []htpasswd.PasswdParser{
	htpasswd.AcceptMd5, htpasswd.AcceptSha, htpasswd.AcceptSsha, htpasswd.AcceptBcrypt, htpasswd.AcceptCryptSha, htpasswd.RejectPlain,
}

// Refresh reads the file if it has changed. After an error the earlier list is still there, and the caller
// must not use it.
func (f *File) Refresh() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	opened, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer opened.Close()
	var about unix.Stat_t
	seen := time.Now()
	if err := unix.Fstat(int(opened.Fd()), &about); err != nil {
		return err
	}
	now := revision.Of(&about)
	if now == f.read {
		return nil
	}
	text, err := io.ReadAll(opened)
	if err != nil {
		return err
	}
	if err := f.parse(text); err != nil {
		return err
	}
	if f.read = now; !now.Settled(seen) {
		f.read = revision.Revision{}
	}
	return nil
}

// parse replaces the list by the content of the file, and forgets the verified passwords. The same
// content changes nothing.
func (f *File) parse(text []byte) error {
	sum := sha256.Sum256(text)
	if f.list != nil && sum == f.sum {
		return nil
	}
	var bad error
	list, err := htpasswd.NewFromReader(bytes.NewReader(text), schemes, func(err error) { bad = err })
	if err == nil && bad != nil {
		err = fmt.Errorf("an entry cannot be used: %w", bad)
	}
	if err != nil {
		return err
	}
	f.list, f.sum, f.proven = list, sum, map[[sha256.Size]byte]bool{}
	return nil
}

// Match reports whether the list that was read last has the user with this password. It takes a tenth of a
// second for a password that it has not verified before.
func (f *File) Match(user, password string) bool {
	if f.Proven(user, password) {
		return true
	}
	f.mu.Lock()
	list := f.list
	f.mu.Unlock()
	if !list.Match(user, password) {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if list == f.list {
		if len(f.proven) >= maxProven {
			clear(f.proven)
		}
		f.proven[keyOf(user, password)] = true
	}
	return true
}

// Proven reports whether Match has verified the password since the content of the file last changed.
func (f *File) Proven(user, password string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.proven[keyOf(user, password)]
}

func keyOf(user, password string) [sha256.Size]byte {
	return sha256.Sum256([]byte(user + "\x00" + password))
}
