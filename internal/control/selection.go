package control

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/vassalname"
)

// IsPattern reports whether a word is a pattern, not the name of a vassal.
func IsPattern(word string) bool { return strings.ContainsAny(word, "*?[") }

// Selects reports whether a word selects a vassal: its full name (see package vassalname), or a pattern
// of path.Match over the name with or without .ini. A malformed pattern selects none.
func Selects(word, name string) bool {
	if !IsPattern(word) {
		return word == name
	}
	for _, n := range []string{name, vassalname.Stem(name)} {
		if ok, err := path.Match(word, n); ok && err == nil {
			return true
		}
	}
	return false
}

// selecting returns a function that reports whether one of the words selects a vassal. Without
// words it accepts all. The function is safe for concurrent use.
func selecting(words []string) func(name string) bool {
	return func(name string) bool {
		return len(words) == 0 || slices.ContainsFunc(words, func(word string) bool { return Selects(word, name) })
	}
}

// selection returns the words of a request that select vassals. known resolves a name that no
// present vassal has; nil: no such names exist. A name without a vassal is an Error; a pattern
// without one is not, because a vassal may appear.
func (s *Server) selection(ctx context.Context, r *http.Request, known func(name string) string) (words []string, err error) {
	for _, word := range r.URL.Query()["vassal"] {
		if IsPattern(word) {
			words = append(words, word)
			continue
		}
		record, err := s.find(ctx, word)
		if known != nil && err != nil && known(word) != "" {
			record.Name, err = known(word), nil
		}
		if err != nil {
			return nil, err
		}
		words = append(words, record.Name)
	}
	return words, nil
}

// numberOf parses a number of a request; missing is the default.
func numberOf(r *http.Request, name string, missing int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return missing, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, &Error{Message: fmt.Sprintf("%s=%s: not a number", name, text), Code: http.StatusBadRequest}
	}
	return n, nil
}

// sinceOf parses the time of a request, in the form of RFC 3339; zero when it is missing.
func sinceOf(r *http.Request) (t time.Time, err error) {
	if text := r.URL.Query().Get("since"); text != "" {
		if t, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return t, &Error{Message: fmt.Sprintf("since=%s: not a time (such as 2026-11-30T08:00:00Z)", text), Code: http.StatusBadRequest}
		}
	}
	return t, nil
}
