package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// With any number of concurrent claims, each holder has the directory alone, others learn who
// holds it, and the last one leaves nothing.
func TestClaimsComeAndGo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				c, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid())
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
	c, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid()) // a refused process may have missed one
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := os.Lstat(dir); err == nil {
		t.Error("the directory is left")
	}
}

// A ledger that another user could have written is not trusted: an emperor takes over only its
// own.
func TestClaimOfALedger(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"own": 0o700, "open": 0o770} {
		ledger := filepath.Join(dir, "ledger")
		if err := errors.Join(os.RemoveAll(ledger), os.Mkdir(ledger, 0o700), os.Chmod(ledger, mode)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(ledger, "page"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid())
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(c.LedgerDir())
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		if _, err := os.Stat(filepath.Join(ledger, "page")); (err == nil) != (name == "own") {
			t.Errorf("%s: %v", name, err)
		}
		c.Close()
	}
	if os.Geteuid() != 0 {
		return
	}
	link := filepath.Join(dir, "ledger")
	if err := errors.Join(os.RemoveAll(link), os.Symlink("/", link), os.Lchown(link, 4001, 4001)); err != nil {
		t.Fatal(err)
	}
	c, err := ClaimRuntimeDir(dir, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if info, err := os.Lstat(link); err != nil || !info.IsDir() {
		t.Errorf("the link of another user: %v, %v", info, err)
	}
}

// A directory that another user made stays, and so do the files that another user put into it.
func TestClaimLeavesWhatItDidNotMake(t *testing.T) {
	given := t.TempDir()
	c, err := ClaimRuntimeDir(given, os.Geteuid(), os.Getegid())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if entries, err := os.ReadDir(given); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
	made := filepath.Join(given, "run")
	if c, err = ClaimRuntimeDir(made, os.Geteuid(), os.Getegid()); err != nil {
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
	if c, err = ClaimRuntimeDir(made, os.Geteuid(), os.Getegid()); err != nil { // as of another emperor
		t.Fatal(err)
	}
	c.Close()
	if _, err := os.Lstat(made); err == nil {
		t.Error("the directory is left")
	}
}

// lively is a claim that is kept, with clients that it answers.
func lively(t *testing.T, dir string) *RuntimeDir {
	t.Helper()
	c, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	kept, served := make(chan bool), make(chan bool)
	go func() { defer close(kept); c.Keep(ctx, slog.New(slog.DiscardHandler), nil) }()
	go func() {
		defer close(served)
		for {
			conn, err := c.socket.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { cancel(); <-kept; c.Close(); <-served })
	return c
}

func (c *RuntimeDir) answers() bool {
	conn, err := net.Dial("unix", c.path())
	if err != nil {
		return false
	}
	defer conn.Close()
	_, err = conn.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

// Whatever is removed from a runtime directory, or replaced, the directory is soon complete,
// answers, and belongs to this emperor alone.
func TestClaimIsKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run")
	c := lively(t, dir)
	for name, harm := range map[string]func() error{
		"all":              func() error { return os.RemoveAll(dir) },
		"moved":            func() error { return os.Rename(dir, dir+".moved") },
		"socket":           func() error { return os.Remove(c.path()) },
		"lock":             func() error { return os.Remove(filepath.Join(dir, "lock")) },
		"vassals' sockets": func() error { return os.RemoveAll(c.NotifyDir()) },
		"another file":     func() error { return errors.Join(os.Remove(c.path()), os.WriteFile(c.path(), nil, 0o644)) },
		"another directory": func() error {
			return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755))
		},
	} {
		if err := harm(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		deadline := time.Now().Add(8 * time.Second) // before the next poll: by an event
		for !c.whole() || !c.answers() {
			if time.Now().After(deadline) {
				t.Fatalf("%s: it is not made again", name)
			}
			time.Sleep(time.Millisecond)
		}
		var held HeldError
		if other, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid()); !errors.As(err, &held) {
			t.Errorf("%s: another emperor: %v, %v", name, other, err)
		}
	}
}

// A directory that another emperor has taken in the meantime remains the other's.
func TestClaimThatAnotherHas(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run")
	first, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	second, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid())
	if err != nil {
		t.Fatal(err)
	}
	var held HeldError
	if err := first.establish(); !errors.As(err, &held) || first.whole() {
		t.Errorf("the first one: %v", err)
	}
	first.Close()
	if !second.whole() {
		t.Error("the first one took something of the second with it")
	}
	second.Close()
	if _, err := os.Lstat(dir); err == nil {
		t.Error("the directory is left")
	}
}

// A socket with a path is bound again, and removes only its own path.
func TestListenerIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := Listen(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error)
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.Close()
		}
		accepted <- err
	}()
	if !l.whole() || os.Remove(path) != nil || l.whole() {
		t.Error("a loss is not noticed")
	}
	if err := l.renew(); err != nil || !l.whole() {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
	if err := errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Error("it removed what is another's")
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want %v", err, net.ErrClosed)
	}
}
