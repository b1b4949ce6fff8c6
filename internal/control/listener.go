package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/endpoint"
)

// Listener is a socket that clients find by its address. Another process may remove its path,
// for example a cleaner of old files: Keep binds it again, and Accept continues.
type Listener struct {
	bind func() (net.Listener, error)
	path string // empty: the address is no path

	mu     sync.Mutex // protects the following fields
	now    net.Listener
	made   Identity // identifies its file at the path
	closed bool
}

// Listen listens on HOST:PORT, :PORT, @NAME or the path of a unix socket; a relative path
// starts at the working directory. It replaces a socket without a listening process. It uses and closes the
// socket inherited, which an earlier emperor has bound to that address; nil: it binds one.
func Listen(text string, inherited *os.File) (*Listener, error) {
	return listen(text, inherited, endpoint.Listen)
}

// ListenPrivate is Listen for a socket that, at a path, has mode 0600.
func ListenPrivate(text string, inherited *os.File) (*Listener, error) {
	return listen(text, inherited, endpoint.ListenPrivate)
}

func listen(text string, inherited *os.File, bind func(string) (net.Listener, error)) (*Listener, error) {
	if !address.InFiles(text) {
		return newListener("", inherited, func() (net.Listener, error) { return bind(text) })
	}
	path, err := filepath.Abs(text)
	if err != nil {
		return nil, err
	}
	return newListener(path, inherited, func() (net.Listener, error) {
		l, err := bind(path)
		if errors.Is(err, address.ErrBusy) {
			err = fmt.Errorf("cannot listen on %q: %w", path, err)
		}
		return l, err
	})
}

// newListener makes a Listener from a socket, or without one from a function that binds its address.
// Close removes the path, and the socket itself does not.
func newListener(path string, inherited *os.File, bind func() (net.Listener, error)) (*Listener, error) {
	l := &Listener{path: path, bind: bind}
	if inherited == nil {
		if err := l.renew(); err != nil {
			return nil, err
		}
		return l, nil
	}
	defer inherited.Close()
	now, err := net.FileListener(inherited) // of a duplicate
	if err != nil {
		return nil, fmt.Errorf("cannot inherit a socket: %w", err)
	}
	l.use(now)
	return l, nil
}

// use makes a socket the current one. The caller holds the lock, or is the only user.
func (l *Listener) use(fresh net.Listener) {
	if u, ok := fresh.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	l.now, l.made = fresh, IdentityOf(l.path)
}

// HandOver closes the Listener and leaves its path: it returns the socket, in which connections
// continue to wait. The caller closes it.
func (l *Listener) HandOver() (*os.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, net.ErrClosed
	}
	f, err := HandOver(l.now)
	l.closed = err == nil
	return f, err
}

// HandOver closes a socket of package net, and returns a duplicate that leaves its path alone. After an error the
// socket is open.
func HandOver(socket io.Closer) (*os.File, error) {
	filer, ok := socket.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, net.ErrClosed
	}
	f, err := filer.File()
	if err != nil {
		return nil, fmt.Errorf("cannot hand over a socket: %w", err)
	}
	_ = socket.Close()
	return f, nil
}

// renew binds the address, and closes the previous socket.
func (l *Listener) renew() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	fresh, err := l.bind()
	if err != nil {
		return err
	}
	if l.now != nil {
		_ = l.now.Close()
	}
	l.use(fresh)
	return nil
}

// whole reports whether clients find the socket.
func (l *Listener) whole() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.path == "" || l.made.At(l.path)
}

// Keep binds the path again whenever it does not lead to the socket any more, until ctx ends.
// quiet as in Kept.
func (l *Listener) Keep(ctx context.Context, quiet string, log *slog.Logger) {
	if l.path != "" {
		Kept{What: "a socket", Path: l.path, Quiet: quiet, Whole: l.whole, Restore: l.renew, Log: log}.Keep(ctx)
	}
}

func (l *Listener) current() net.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		now := l.current()
		c, err := now.Accept()
		if err == nil || l.current() == now {
			return c, err
		}
	}
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.current().Addr() }

// Reopen binds the address again after Close.
func (l *Listener) Reopen() error {
	l.mu.Lock()
	l.closed = false
	l.mu.Unlock()
	return l.renew()
}

// Close implements net.Listener. It removes the path if that still leads here.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	l.closed = true
	if l.path != "" && l.made.At(l.path) {
		_ = os.Remove(l.path)
	}
	return l.now.Close()
}
