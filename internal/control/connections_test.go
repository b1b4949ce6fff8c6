package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// connect connects n silent clients.
func (s *stage) connect(n int) (silent []net.Conn) {
	s.t.Helper()
	for range n {
		c, err := net.Dial("unix", filepath.Join(s.dir, SocketName))
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { c.Close() })
		silent = append(silent, c)
	}
	return silent
}

// follow follows the path until ctx ends, and returns when the first line has come.
func (s *stage) follow(ctx context.Context, path string) error {
	first := make(chan error, 1)
	go func() {
		first <- NewClient(s.dir).Stream(ctx, path, func(json.RawMessage) error {
			select {
			case first <- nil:
			default:
			}
			return nil
		})
	}()
	return <-first
}

// Silent clients, twice as many as the limit, and the largest number of followers delay no
// question and disconnect no follower.
func TestACrowdKeepsNoQuestionWaiting(t *testing.T) {
	s := play(t, "a.ini", "well")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range maxLongRequests {
		path := "/events?follow"
		if i%2 == 0 {
			path = "/vassals/a/logs?follow"
		}
		if err := s.follow(ctx, path); err != nil {
			t.Fatalf("follower %d: %v", i, err)
		}
	}
	silent := s.connect(2 * maxConnections)
	for range 3 {
		if err := s.call("GET", "/vassals", &List{}); err != nil {
			t.Error(err)
		}
		if err := NewClient(s.dir).Call(t.Context(), "POST", "/vassals/a/restart?wait", &Answer{}); err != nil {
			t.Error(err)
		}
	}
	if _, err := silent[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the oldest that says nothing gets %v", err)
	}
	var full *Error
	for _, path := range []string{"/events?follow", "/vassals/a/logs?follow"} {
		if err := s.follow(ctx, path); !errors.As(err, &full) || full.Code != http.StatusTooManyRequests || !strings.Contains(full.Message, "64 clients follow already: ") {
			t.Errorf("%s beyond the number: %v", path, err)
		}
	}
	if err := s.Stream(ctx, "/events", func(json.RawMessage) error { return nil }); err != nil {
		t.Errorf("without following: %v", err)
	}
	cancel()
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for { // there is room when the emperor has noticed
		err := s.follow(ctx, "/events?follow")
		if err == nil {
			break
		}
		if !errors.As(err, &full) {
			t.Fatal(err)
		}
	}
}

// Clients that wait are counted, too, and separately from followers.
func TestTooManyWait(t *testing.T) {
	s := play(t, "a.ini", "never")
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, maxLongRequests+1)
	for range maxLongRequests + 1 {
		go func() { gaveUp <- NewClient(s.dir).Call(ctx, "POST", "/vassals/a/reload?wait", &Answer{}) }()
	}
	var full *Error
	if err := <-gaveUp; !errors.As(err, &full) || !strings.Contains(full.Message, "64 clients wait already: ") {
		t.Errorf("beyond the number: %v", err)
	}
	if err := s.follow(ctx, "/events?follow"); err != nil {
		t.Errorf("following: %v", err)
	}
	if err := s.call("POST", "/vassals/a/reload", &Answer{}); err != nil {
		t.Errorf("without waiting: %v", err)
	}
	cancel()
	for range maxLongRequests {
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("one that waits: %v", err)
		}
	}
}

// speechless is an emperor that answers after a time.
type speechless struct {
	Emperor
	after time.Duration
}

func (s speechless) Records(ctx context.Context) ([]emperor.Record, error) {
	select {
	case <-time.After(s.after):
		return nil, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// An answer may take any time while there are signs of life.
func TestSignsOfLife(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes longer than the patience")
	}
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run")
	claim, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid())
	if err != nil {
		t.Fatal(err)
	}
	defer claim.Close()
	server := &Server{
		Emperor: speechless{after: patience + time.Second}, Output: &output.Hub{}, Events: &eventlog.Log{}, Meter: &Meter{}, Gate: open(),
		Log: slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- server.Run(ctx, claim) }()
	if err := NewClient(dir).Call(ctx, "GET", "/vassals", &List{}); err != nil {
		t.Errorf("got %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// An emperor that accepts connections and sends nothing does not answer.
func TestSilentEmperor(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as the patience")
	}
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "run")
	claim, err := ClaimRuntimeDir(dir, os.Geteuid(), os.Getegid()) // no process accepts
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(claim.Close)
	for _, tt := range []struct {
		ask  func(c *Client) error
		want string
	}{
		{func(c *Client) error { return c.Call(t.Context(), "GET", "/vassals", &List{}) }, "control.sock: no answer for 5s"},
		{func(c *Client) error { return c.Call(t.Context(), "POST", "/rescan", &struct{}{}) }, "5s; it may still do it later"},
		{func(c *Client) error { return c.Stream(t.Context(), "/events?follow", nil) }, "no answer for 5s"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			if err := tt.ask(NewClient(dir)); !errors.Is(err, ErrNoEmperor) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
