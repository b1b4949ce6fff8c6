package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// stream writes values as lines of JSON. A client that does not read is left.
type stream struct {
	w   http.ResponseWriter
	enc *json.Encoder
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	s := &stream{w: w, enc: encoder(w)}
	s.flush()
	return s
}

func (s *stream) send(v any) bool {
	deadline(s.w)
	return s.enc.Encode(v) == nil
}

func (s *stream) flush() bool {
	deadline(s.w)
	return http.NewResponseController(s.w).Flush() == nil
}

// events answers with the events that are remembered, and follows if asked to.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	follow, err := flag(r, "follow")
	if err != nil {
		fail(w, err)
		return
	}
	name := r.URL.Query().Get("vassal")
	if name != "" {
		record, err := s.find(r.Context(), name)
		if err != nil {
			fail(w, err)
			return
		}
		name = record.Name
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	_, transitions, err := s.Emperor.Transitions(ctx)
	if err != nil {
		fail(w, err)
		return
	}
	out, last := newStream(w), time.Time{}
	for _, e := range s.Chronicle.recent(name) {
		last = e.Time
		if !out.send(e) {
			return
		}
	}
	if !follow || !out.flush() {
		return
	}
	for t := range transitions {
		if !t.Time.After(last) || name != "" && t.Record.Name != name {
			continue // told already
		}
		if !out.send(event(t)) || !out.flush() {
			return
		}
	}
}

// logs answers with what a vassal printed last, and follows if asked to.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	follow, err := flag(r, "follow")
	n := 100
	if text := r.URL.Query().Get("lines"); text != "" && err == nil {
		if n, err = strconv.Atoi(text); err != nil || n < 0 {
			err = &Failure{Message: fmt.Sprintf("lines=%s: not a number", text), Code: http.StatusBadRequest}
		}
	}
	if err != nil {
		fail(w, err)
		return
	}
	record, err := s.find(r.Context(), r.PathValue("name"))
	if err != nil {
		fail(w, err)
		return
	}
	last, next, stop := s.Output.Of(record.Name).Follow(n)
	defer stop()
	out := newStream(w)
	for _, l := range last {
		if !out.send(l) {
			return
		}
	}
	if !follow || !out.flush() {
		return
	}
	for {
		select {
		case l := <-next:
			if !out.send(l) || !out.flush() {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
