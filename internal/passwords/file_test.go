package passwords

import (
	"crypto/sha1" //nolint:gosec // an old scheme of htpasswd
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/revision"
)

// A password that was replaced by an edit of the same size and modification time is refused at
// once, also when the revision of the file is the same.
func TestPasswordReplacedInOneTick(t *testing.T) {
	file := filepath.Join(t.TempDir(), "htpasswd")
	edit := func(password string) {
		t.Helper()
		sum := sha1.Sum([]byte(password)) //nolint:gosec // an old scheme of htpasswd
		if err := os.WriteFile(file, []byte("ann:{SHA}"+base64.StdEncoding.EncodeToString(sum[:])+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Unix(1000, 0)); err != nil {
			t.Fatal(err)
		}
	}
	p := &File{Path: file}
	check := func(password string, want bool) {
		t.Helper()
		if err := p.Refresh(); err != nil {
			t.Fatal(err)
		}
		if got := p.Match("ann", password); got != want {
			t.Errorf("%q matches: %v", password, got)
		}
	}
	edit("old")
	check("old", true)
	edit("new")
	check("old", false)
	check("new", true)
	if len(p.proven) != 1 {
		t.Errorf("%d passwords are remembered", len(p.proven))
	}
	check("new", true) // the content is the same: the password is not verified again
	if len(p.proven) != 1 {
		t.Errorf("%d passwords are remembered after a look at the same content", len(p.proven))
	}
	time.Sleep(2 * time.Second) // a file system may store whole seconds
	check("new", true)
	if p.read == (revision.Revision{}) {
		t.Error("a settled file is read for each request")
	}
}

// A file that was read in the tick of its last change is read again.
func TestPasswordFileJustModified(t *testing.T) {
	file := filepath.Join(t.TempDir(), "htpasswd")
	p := &File{Path: file}
	for range 100 { // until the test is not paused in between
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := p.Refresh(); err != nil {
			t.Fatal(err)
		}
		if p.read == (revision.Revision{}) {
			return
		}
	}
	t.Error("the revision of a file that has just changed is trusted")
}
