package control

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A command that cleans up excludes emperors: one that has the directory is an error, and one that starts waits for the
// end of the command. Nothing is left of the lock.
func TestHoldRuntimeDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := HoldRuntimeDir(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	c, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := HoldRuntimeDir(dir); !errors.As(err, new(HeldError)) {
		t.Errorf("beside an emperor: %v", err)
	}
	c.Close()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	release, err := HoldRuntimeDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	claimed := make(chan *RuntimeDir)
	go func() {
		c, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid())
		if err != nil {
			t.Error(err)
		}
		claimed <- c
	}()
	select {
	case <-claimed:
		t.Error("an emperor has not waited")
	case <-time.After(100 * time.Millisecond):
	}
	release()
	if c := <-claimed; c != nil {
		c.Close()
	}
	release, err = HoldRuntimeDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	release()
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("left: %v, %v", files, err)
	}
}
