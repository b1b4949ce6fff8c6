package control

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/output"
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

// pour answers with the past values and, with follow, with new ones that are fresh, until next is
// closed or the client disconnects.
func pour[T any](w http.ResponseWriter, r *http.Request, past []T, next <-chan T, follow bool, fresh func(T) bool) {
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
			if more && !fresh(v) {
				continue
			}
			if !more || !out.send(v) || !out.flush() {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// every accepts all values.
func every[T any](T) bool { return true }

// events answers with the remembered events, and follows on request.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	follow, leave, err := s.follows(r)
	if err != nil {
		fail(w, err)
		return
	}
	defer leave()
	rights := rightsOf(r.Context())
	sees := func(e eventlog.Event) bool { return rights.All >= Read || e.Vassal != "" && rights.may(Read, e.Owner) }
	words, err := s.selection(r.Context(), r, func(name string) string { return s.Events.Named(name, sees) })
	if err != nil {
		fail(w, err)
		return
	}
	most, err := numberOf(r, "lines", eventlog.Kept)
	if err != nil {
		fail(w, err)
		return
	}
	since, err := sinceOf(r)
	if err != nil {
		fail(w, err)
		return
	}
	selects := selecting(words)
	recent, next, stop := s.Events.Follow(func(e eventlog.Event) bool { return selects(e.Vassal) && sees(e) })
	recent = slices.DeleteFunc(recent, func(e eventlog.Event) bool { return e.Time.Before(since) })
	recent = recent[max(0, len(recent)-most):]
	defer stop()
	pour(w, r, recent, next, follow, every[eventlog.Event])
}

// reading returns how many past lines a client wants, and whether it follows. leave must be called
// at the end of the answer.
func (s *Server) reading(r *http.Request) (n int, follow bool, leave func(), err error) {
	if n, err = numberOf(r, "lines", 100); err != nil {
		return 0, false, nil, err
	}
	follow, leave, err = s.follows(r)
	return n, follow, leave, err
}

// manyLogs answers with the last output of the vassals that the query selects, or of all, by time,
// and follows on request, also vassals that come later.
func (s *Server) manyLogs(w http.ResponseWriter, r *http.Request) {
	n, follow, leave, err := s.reading(r)
	if err != nil {
		fail(w, err)
		return
	}
	defer leave()
	words, err := s.selection(r.Context(), r, nil)
	if err != nil {
		fail(w, err)
		return
	}
	rights, wants := rightsOf(r.Context()), selecting(words)
	next, stop := s.Output.Follow(func(l output.VassalLine) bool { return wants(l.Vassal) && rights.may(Read, l.Owner) })
	defer stop()
	records, err := s.visible(r.Context())
	if err != nil {
		fail(w, err)
		return
	}
	var past []output.VassalLine
	seen := map[string]output.Line{} // the newest line of each in past
	for _, record := range records {
		if !wants(record.Name) {
			continue
		}
		for _, l := range rights.lines(s.Output.Of(record.Name).Last(n)) {
			past = append(past, output.VassalLine{Vassal: record.Name, Line: l})
			seen[record.Name] = l
		}
	}
	slices.SortStableFunc(past, func(a, b output.VassalLine) int { return a.Time.Compare(b.Time) })
	fresh := func(l output.VassalLine) bool { // the numbers of a new vassal with that name begin again
		last := seen[l.Vassal]
		return l.Number > last.Number || l.Time.After(last.Time)
	}
	pour(w, r, past, next, follow, fresh)
}

// logs answers with the last output of a vassal, and follows on request.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	n, follow, leave, err := s.reading(r)
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
	rights := rightsOf(r.Context())
	pour(w, r, rights.lines(last), next, follow, func(l output.Line) bool { return rights.may(Read, l.Owner) })
}
