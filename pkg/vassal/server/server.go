// Package server is the vassal's built-in web server. It is a program of its own
// so that a vassal that does not need it does not pay for it.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 60 * time.Second
	maxHeaderBytes = 64 << 10
)

// Options configures a server.
type Options struct {
	// Listeners are the sockets to serve. The server closes them. At least one.
	Listeners []net.Listener
	// Static maps paths to directories. At least one.
	Static []Static
	// Log gets what goes wrong. Required.
	Log *slog.Logger
}

// Serve answers until ctx ends, then lets requests in progress finish, as long as
// they take: whoever sent the signal decides about patience. It returns nil, or
// the error of the first socket that failed.
func Serve(ctx context.Context, o Options) error {
	handler, err := newStatic(o.Static)
	if err != nil {
		return err
	}
	defer handler.close()
	s := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, len(o.Listeners))
	for _, l := range o.Listeners {
		go func() { failed <- s.Serve(l) }()
	}
	select {
	case err := <-failed:
		return errors.Join(err, s.Close())
	case <-ctx.Done():
		return s.Shutdown(context.WithoutCancel(ctx))
	}
}

// Inherited returns the listeners that were handed over as descriptors 3 and up
// (sd_listen_fds(3)), and takes the variables out of the environment. LISTEN_PID
// may be missing: then the parent has started exactly this program.
func Inherited() ([]net.Listener, error) {
	defer func() {
		for _, key := range []string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
			_ = os.Unsetenv(key)
		}
	}()
	count := os.Getenv("LISTEN_FDS")
	if pid := os.Getenv("LISTEN_PID"); count == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > 1024 {
		return nil, fmt.Errorf("cannot use LISTEN_FDS=%q", count)
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	var listeners []net.Listener
	for i := range n {
		name := "socket"
		if i < len(names) {
			name = names[i]
		}
		f := os.NewFile(uintptr(3+i), name)
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("cannot use descriptor %d (%s): %w", 3+i, name, err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}
