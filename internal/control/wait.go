package control

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// await carries out a verb and waits for the result.
func (s *Server) await(ctx context.Context, name string, verb emperor.Verb, permits func(emperor.Record) bool) (Answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_, transitions, err := s.Emperor.Transitions(ctx)
	if err != nil {
		return Answer{}, err
	}
	first, err := s.Emperor.Do(ctx, name, verb, permits)
	if err != nil {
		return Answer{}, fmt.Errorf("%s: %w", name, err)
	}
	if over, why := outcome(verb, first, first); over {
		return s.answer(first, why), nil
	}
	for t := range transitions {
		if t.Record.Name != name || !permits(t.Record) {
			continue
		}
		if over, why := outcome(verb, first, t.Record); over {
			return s.answer(t.Record, why), nil
		}
	}
	return Answer{}, emperor.ErrEnded
}

// answer is the answer about a complete operation.
func (s *Server) answer(r emperor.Record, why string) Answer {
	if why != "" && why == r.ReloadError {
		why = s.quotedSoon(r.Name, why)
	}
	return Answer{Name: r.Name, Done: true, Error: why, Vassal: r}
}

// quoted returns the exit of a worker with the last line that its program printed before.
func (s *Server) quoted(name, end string) string {
	reason, then, again := strings.Cut(end, emperor.StartedAgain)
	last := s.Output.Of(name).Before(reason)
	switch {
	case last == "":
		return end
	case again:
		return reason + ", its last words: " + last + emperor.StartedAgain + then
	}
	return reason + ", its last words: " + last + remedy(last)
}

const (
	// wordsLate is how much later than the notice of a failure the last lines of the program
	// may arrive, and wordsAgain the polling interval.
	wordsLate  = 200 * time.Millisecond
	wordsAgain = 10 * time.Millisecond
)

// quotedSoon is quoted for a failure at this moment: lines and notices arrive by different
// ways.
func (s *Server) quotedSoon(name, end string) string {
	late := time.After(wordsLate)
	for {
		if text := s.quoted(name, end); text != end {
			return text
		}
		select {
		case <-late:
			return end
		case <-time.After(wordsAgain):
		}
	}
}

// remedy returns the option that helps against a failed reload beside the old workers, by the last line
// of the program. Empty: none.
func remedy(last string) string {
	if strings.Contains(strings.ToLower(last), "in use") {
		return " (an old worker may have it: reload-order = stop-first)"
	}
	return ""
}

// outcome reports whether an operation is complete, and the reason of its failure. first is
// the record right after the beginning.
func outcome(verb emperor.Verb, first, now emperor.Record) (over bool, why string) {
	if verb == emperor.Stop && first.Desired == emperor.Held && now.Desired == emperor.Run {
		return true, "it has been started again"
	}
	switch now.State {
	case emperor.Running:
		switch {
		case verb == emperor.Stop, verb == emperor.Restart && now.Generation == first.Generation:
			return false, ""
		case verb == emperor.Reload && now.Generation == first.Generation && now.ReloadError == "" && now.Config != now.WantedConfig:
			return false, "" // it is found out whether that takes a new process
		}
		return true, now.ReloadError
	case emperor.Waiting:
		return true, ""
	case emperor.Idle:
		if verb == emperor.Stop || verb == emperor.Reset {
			return true, ""
		}
		return true, either(wrong(now, verbatim), now.Why)
	case emperor.BackingOff:
		return true, either(wrong(now, verbatim), "it does not stay up")
	case emperor.Throttled:
		return true, now.Why
	case emperor.Gone:
		if verb == emperor.Stop {
			return true, ""
		}
		return true, "its configuration is gone"
	}
	return false, ""
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// reloadAll reloads every running vassal, a limited number at a time, and returns the list: in
// its first state, or with wait the result of each.
func (s *Server) reloadAll(r *http.Request) (any, error) {
	wait, leave, err := s.waits(r)
	if err != nil {
		return nil, err
	}
	defer leave()
	defer s.changed()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	records, transitions, err := s.Emperor.Transitions(ctx)
	if err != nil {
		return nil, err
	}
	pending := map[string]emperor.Record{}
	for _, r := range records {
		if r.State == emperor.Running || r.State == emperor.Reloading {
			pending[r.Name] = r
		}
	}
	if err := s.Emperor.DoAll(ctx, emperor.ReloadAll); err != nil {
		return nil, err
	}
	answers := []Answer{}
	for name, r := range pending {
		if !wait {
			answers = append(answers, Answer{Name: name, Vassal: r})
		}
	}
	for wait && len(pending) > 0 {
		t, ok := <-transitions
		if !ok {
			return nil, emperor.ErrEnded
		}
		first, ours := pending[t.Record.Name]
		if over, why := outcome(emperor.Reload, first, t.Record); ours && over {
			delete(pending, t.Record.Name)
			answers = append(answers, s.answer(t.Record, why))
		}
	}
	slices.SortFunc(answers, func(a, b Answer) int { return strings.Compare(a.Name, b.Name) })
	return answers, nil
}
