package control

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// stream writes values as lines of JSON. It ends when the client does not read.
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

// pour answers with the past values and, with follow, with new ones until next is closed or
// the client disconnects.
func pour[T any](w http.ResponseWriter, r *http.Request, past []T, next <-chan T, follow bool) {
	out := newStream(w)
	for _, v := range past {
		if !out.send(v) {
			return
		}
	}
	if !follow || !out.flush() {
		return
	}
	for {
		select {
		case v, more := <-next:
			if !more || !out.send(v) || !out.flush() {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// events answers with the remembered events, and follows on request.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	follow, leave, err := s.follows(r)
	if err != nil {
		fail(w, err)
		return
	}
	defer leave()
	name := r.URL.Query().Get("vassal")
	if name != "" {
		record, err := s.find(r.Context(), name)
		if gone := s.Chronicle.named(name); err != nil && gone != "" {
			record.Name, err = gone, nil
		}
		if err != nil {
			fail(w, err)
			return
		}
		name = record.Name
	}
	recent, next, stop := s.Chronicle.follow(name)
	defer stop()
	pour(w, r, recent, next, follow)
}

// logs answers with the last output of a vassal, and follows on request.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	n := 100
	if text := r.URL.Query().Get("lines"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 0 {
			fail(w, &Failure{Message: fmt.Sprintf("lines=%s: not a number", text), Code: http.StatusBadRequest})
			return
		}
	}
	follow, leave, err := s.follows(r)
	if err != nil {
		fail(w, err)
		return
	}
	defer leave()
	record, err := s.find(r.Context(), r.PathValue("name"))
	if err != nil {
		fail(w, err)
		return
	}
	last, next, stop := s.Output.Of(record.Name).Follow(n)
	defer stop()
	pour(w, r, last, next, follow)
}
