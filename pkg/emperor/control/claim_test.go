package control

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// However many come and go at once, each has the directory alone or is told who has
// it, and the last one leaves nothing.
func TestClaimsComeAndGo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				c, err := Take(dir, os.Geteuid(), os.Getegid())
				var held HeldError
				switch {
				case err == nil:
					c.Close()
				case !errors.As(err, &held):
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	c, err := Take(dir, os.Geteuid(), os.Getegid()) // one may have been missed by who was refused
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := os.Lstat(dir); err == nil {
		t.Error("the directory is left")
	}
}

// A directory that somebody else made stays, and so does what somebody put into it.
func TestClaimLeavesWhatItDidNotMake(t *testing.T) {
	given := t.TempDir()
	c, err := Take(given, os.Geteuid(), os.Getegid())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if entries, err := os.ReadDir(given); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
	made := filepath.Join(given, "run")
	if c, err = Take(made, os.Geteuid(), os.Getegid()); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(made, "other")
	if err := os.WriteFile(other, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := os.Lstat(other); err != nil {
		t.Error(err)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if c, err = Take(made, os.Geteuid(), os.Getegid()); err != nil { // as of another emperor
		t.Fatal(err)
	}
	c.Close()
	if _, err := os.Lstat(made); err == nil {
		t.Error("the directory is left")
	}
}
