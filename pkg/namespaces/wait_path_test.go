package namespaces

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestWaitForPath(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b", "file")
	there := func() bool { _, err := os.Stat(path); return err == nil }
	done := make(chan error, 1)
	go func() { done <- WaitForPath(t.Context(), path, there) }()
	for range 20 { // the file appears and disappears during the wait
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-done:
		t.Fatalf("found what is not there: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("did not see the file")
	}
}

func TestWaitForPathEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := WaitForPath(ctx, filepath.Join(t.TempDir(), "x"), func() bool { return false })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if err := WaitForMount(ctx, t.TempDir()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("mount: error %v", err)
	}
}

func TestMountpoint(t *testing.T) {
	if !isMountpoint("/proc") || isMountpoint(t.TempDir()) {
		t.Error("does not know what a mount point is")
	}
	if err := WaitForMount(t.Context(), "/proc"); err != nil {
		t.Error(err)
	}
}
