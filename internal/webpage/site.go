// Package webpage answers one question: what does an operator see in a browser? It shows the vassals
// of an emperor and the emperor itself, and changes nothing. Pages are complete without scripts; with
// scripts they follow by EventSource.
//
// All facts come from questions, which pages share. Without an open page nothing is asked, measured
// or subscribed to.
package webpage

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/passwords"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// Facts answers questions about vassals; control.Server implements it.
type Facts interface {
	About(ctx context.Context) (control.Info, error)
	All(ctx context.Context) ([]control.Vassal, error)
	Status(ctx context.Context, name string, lines int) (control.Status, error)
}

// Loop is the emperor's loop; emperor.Emperor implements it.
type Loop interface {
	Progress(ctx context.Context) (emperor.Progress, error)
}

// Setting is an option of a vassal.
type Setting struct {
	Name, Value string
	// Origin is the place of its line.
	Origin string
	// Secret: the value is KEY=VALUE, and the part after the sign is not shown.
	Secret bool
}

// Site serves the pages. Its fields are set before Serve and not changed afterwards.
type Site struct {
	// Facts, Loop and Events are the sources. Required.
	Facts  Facts
	Loop   Loop
	Events *eventlog.Log
	// Settings returns the configuration of a vassal in effect. Required.
	Settings func(ctx context.Context, vassal string) ([]Setting, error)
	// Warnings are the last warnings in the emperor's log. Required.
	Warnings *Warnings
	// Passwords has the users who may read. Nil: every client that can connect. Reads is the pool
	// that reads the file.
	Passwords *passwords.File
	Reads     *reads.Pool
	// Hosts are names under which browsers may ask, besides the names of this machine.
	Hosts []string
	// Log gets mistakes in the password file. Required.
	Log *slog.Logger

	sampler  sampler
	texts    texts
	latency  latencies
	readers  atomic.Int32
	mistake  atomic.Pointer[string] // in the password file; empty: none
	proving  semaphore
	building semaphore
}

const (
	// patience is how long a client may take to send its request, or to read a part of the answer.
	patience = 10 * time.Second
	// maxReaders limits the pages that follow.
	maxReaders = 64
	// maxBuilding limits the pages that are made at the same time.
	maxBuilding = 4
)

// Serve answers on l until ctx ends, and closes l. Beyond 256 connections a new one closes the
// oldest.
func (s *Site) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: patience, ReadTimeout: patience, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx }, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = h.Close() })
	defer stop()
	if err := h.Serve(control.LimitConnections(l)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Handler returns the handler of all paths.
func (s *Site) Handler() http.Handler {
	s.proving.init(1)
	s.building.init(maxBuilding)
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", s.page(s.listPage))
	m.HandleFunc("GET /vassals/{name}", s.page(s.vassalPage))
	m.HandleFunc("GET /emperor", s.page(s.emperorPage))
	m.HandleFunc("GET /live", s.live(s.listPage))
	m.HandleFunc("GET /live/vassals/{name}", s.live(s.vassalPage))
	m.HandleFunc("GET /live/emperor", s.live(s.emperorPage))
	m.Handle("GET /static/", http.FileServerFS(assets))
	return s.guard(m)
}

// maker returns a function that makes the current view of a request's page; the function keeps what the
// next view needs.
type maker func(r *http.Request) func(ctx context.Context) (view, error)

// page answers with a whole page.
func (s *Site) page(views maker) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		if !s.building.enter(ctx) {
			fail(w, http.StatusServiceUnavailable, "too many pages are being made: try again")
			return
		}
		defer s.building.leave()
		v, err := views(r)(ctx)
		var unknown *control.Error
		switch {
		case errors.As(err, &unknown):
			fail(w, unknown.Code, unknown.Message)
			return
		case err != nil:
			fail(w, http.StatusServiceUnavailable, "the emperor does not answer: "+err.Error())
			return
		}
		text, err := v.html()
		if err != nil {
			fail(w, http.StatusInternalServerError, err.Error())
			return
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience))
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(text)
	}
}

// semaphore limits concurrent work.
type semaphore chan struct{}

func (c *semaphore) init(n int) { *c = make(semaphore, n) }

// enter waits for a place, and reports whether there is one before ctx ends.
func (c semaphore) enter(ctx context.Context) bool {
	select {
	case c <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c semaphore) leave() { <-c }
