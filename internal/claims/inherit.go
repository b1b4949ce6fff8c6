package claims

import (
	"log/slog"
	"os"
	"slices"
)

// Held has the claims of an emperor that hands them over to a later one of the same process. The
// zero value: none.
type Held struct {
	file  *os.File // of the claims, whose locks stay while no descriptor of it is closed (fcntl(2)); nil: there is none
	spans []span
	signs map[span]*os.File
}

// HandOver gives all claims away. The Registry has none from then on, and closes nothing.
func (r *Registry) HandOver() (h Held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h.file, h.signs = r.file, r.signs
	for s := range r.held {
		h.spans = append(h.spans, s)
	}
	r.file, r.held, r.signs, r.inherited = nil, map[span]int{}, map[span]*os.File{}, nil
	return h
}

// Inherit is Open with the claims of an earlier emperor, which it owns from then on. No other
// process can take one of them until Settle, and the monitors of the later emperor claim the same
// files meanwhile. When the file of the claims is none of files, for example because the later
// emperor has another user, all claims are made anew.
func Inherit(h Held, files []string, uid int, log *slog.Logger) *Registry {
	if h.file == nil && len(h.signs) == 0 {
		return Open(files, uid, log)
	}
	if h.file != nil && (!slices.Contains(files, h.file.Name()) || private(h.file, uid) != nil) {
		h.Close()
		return Open(files, uid, log)
	}
	r := &Registry{uid: uid, log: log, flock: flock, held: map[span]int{}, signs: h.signs, file: h.file, inherited: h.spans}
	if r.file != nil {
		r.path = r.file.Name()
	}
	for _, s := range h.spans {
		r.held[s] = 1
	}
	return r
}

// Close gives up all claims. Only the emperor that has not handed them on calls it.
func (h Held) Close() {
	if h.file != nil {
		leave(h.file)
	}
	for _, s := range h.signs {
		s.Close()
	}
}

// Unsettled reports whether the Registry has inherited claims for which Settle was not called.
func (r *Registry) Unsettled() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.inherited) > 0
}

// Settle gives up inherited claims that no holder has made again. It is called when each monitor
// has reported once.
func (r *Registry) Settle() {
	if r == nil {
		return
	}
	r.mu.Lock()
	inherited := r.inherited
	r.inherited = nil
	r.mu.Unlock()
	for _, s := range inherited {
		r.give(s)
	}
}
