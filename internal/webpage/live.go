package webpage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/control"
)

const (
	// shortest is the pause between two batches. A page that takes long to make is made more rarely:
	// a reader costs a twentieth of a processor at most.
	shortest = time.Second
	relaxed  = 20
	// quiet is the longest silence on a connection that has nothing to say.
	quiet = 15 * time.Second
	// retry is the pause before a browser connects again, in milliseconds.
	retry = 1000
)

// batch has the changes of a page since the batch before, as JSON.
type batch struct {
	Title string `json:"title,omitempty"`
	// Set has new texts of elements by id, and Lists the ids of the elements of lists in order, of the
	// lists whose order has changed.
	Set   map[string]string   `json:"set,omitempty"`
	Lists map[string][]string `json:"lists,omitempty"`
}

// follower knows the state of the page of one reader.
type follower struct {
	title string
	seed  maphash.Seed
	sent  map[string]sent
	lists map[string]uint64
}

// sent is the last state of an element that a reader has got.
type sent struct {
	data any // of a part that can be compared; nil: unknown
	hash uint64
}

// rendered is a part whose data show whether it has changed.
type rendered interface{ same(before any) bool }

// changes returns the changes up to a view, and takes them as sent.
func (f *follower) changes(v view) (b batch, err error) {
	if v.Title != f.title {
		b.Title, f.title = v.Title, v.Title
	}
	b.Set, b.Lists = map[string]string{}, map[string][]string{}
	now := make(map[string]sent, len(f.sent))
	for _, p := range v.Parts {
		if err := f.look(p, now, b.Set); err != nil {
			return b, err
		}
	}
	for id, list := range v.Lists {
		var order maphash.Hash
		order.SetSeed(f.seed)
		ids := make([]string, 0, len(list))
		for _, p := range list {
			if err := f.look(p, now, b.Set); err != nil {
				return b, err
			}
			ids = append(ids, p.ID)
			_, _ = order.WriteString(p.ID + " ")
		}
		if sum := order.Sum64(); f.lists[id] != sum {
			b.Lists[id], f.lists[id] = ids, sum
		}
	}
	f.sent = now
	return b, nil
}

// look adds a part to the batch if it has changed.
func (f *follower) look(p part, now map[string]sent, set map[string]string) error {
	before, known := f.sent[p.ID]
	if r, ok := p.Data.(rendered); ok && known && r.same(before.data) {
		now[p.ID] = before
		return nil
	}
	text, err := p.html()
	if err != nil {
		return err
	}
	is := sent{p.Data, maphash.String(f.seed, ageless(string(text)))}
	if now[p.ID] = is; !known || is.hash != before.hash {
		set[p.ID] = string(text)
	}
	return nil
}

// ageless removes the ages in a text, which the browser counts itself.
func ageless(text string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "<time ")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		tag, rest, _ := strings.Cut(rest, ">")
		b.WriteString(tag)
		_, text, _ = strings.Cut(rest, "</time>")
	}
}

func (b batch) empty() bool { return b.Title == "" && len(b.Set) == 0 && len(b.Lists) == 0 }

// live answers with the changes of a page, until the reader leaves. The first batch has the whole page, so
// that a reader that was away is current again.
func (s *Site) live(views maker) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			return
		}
		if s.readers.Add(1) > maxReaders {
			s.readers.Add(-1)
			fail(w, http.StatusTooManyRequests, fmt.Sprintf("%d pages follow already", maxReaders))
			return
		}
		defer s.readers.Add(-1)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no") // nginx passes each batch on at once
		out := stream{w, http.NewResponseController(w)}
		if !out.send("retry: %d\nevent: hello\ndata: {\"build\":%q,\"now\":%d}\n\n", retry, build(), time.Now().UnixMilli()) {
			return
		}
		f := &follower{seed: maphash.MakeSeed(), lists: map[string]uint64{}}
		look, last := views(r), time.Now()
		for {
			began := time.Now()
			text, err := s.next(r.Context(), look, f)
			switch {
			case err != nil:
				return // the browser asks again
			case text != nil || time.Since(last) > quiet:
				if last = time.Now(); !out.send("%s\n\n", text) {
					return
				}
			}
			timer := time.NewTimer(max(shortest, relaxed*time.Since(began)))
			select {
			case <-r.Context().Done():
				timer.Stop()
				return
			case <-timer.C:
			}
		}
	}
}

// next returns the next message for a reader. Nil: nothing has changed.
func (s *Site) next(ctx context.Context, look func(context.Context) (view, error), f *follower) ([]byte, error) {
	v, err := look(ctx)
	var unknown *control.Error
	if errors.As(err, &unknown) {
		return nil, nil // a vassal that may come
	}
	if err != nil {
		return nil, err
	}
	b, err := f.changes(v)
	if err != nil || b.empty() {
		return nil, err
	}
	text, err := json.Marshal(b)
	return append([]byte("event: batch\ndata: "), text...), err
}

// stream writes to a reader, who must read in time.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// send reports whether the reader is still there.
func (o stream) send(format string, args ...any) bool {
	_ = o.control.SetWriteDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(o.w, format, args...); err != nil {
		return false
	}
	return o.control.Flush() == nil
}
