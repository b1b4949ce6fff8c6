package workers

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/wire"
)

// recorded is a succession that writes down what a reload asks for. The options of the plan are its directory.
type recorded struct {
	lines []string
	at    position
	plan  *Plan
	next  *Plan
}

func (s *recorded) note(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *recorded) position() position         { return s.at }
func (s *recorded) reread(string)              { s.note("reread") }
func (s *recorded) start(p *Plan)              { s.next = p; s.note("start %s", p.Dir) }
func (s *recorded) switchTo(p *Plan, _ string) { s.next = p; s.note("switch to %s", p.Dir) }
func (s *recorded) adopt(p *Plan)              { s.plan = p; s.note("adopt %s", p.Dir) }
func (s *recorded) takeOver(string)            { s.plan = s.next; s.note("%s takes over", s.plan.Dir) }
func (s *recorded) probeDaemons()              { s.note("probe") }
func (s *recorded) commit()                    { s.note("commit %s", s.plan.Dir) }
func (s *recorded) restore(p *Plan)            { s.plan = p; s.note("restore %s", p.Dir) }
func (s *recorded) drop()                      { s.note("drop") }
func (s *recorded) stay()                      { s.note("stay") }
func (s *recorded) refill()                    { s.note("refill") }
func (s *recorded) roll(why string)            { s.note("roll: %s", why) }
func (s *recorded) examine()                   { s.note("examine") }
func (s *recorded) takeOnTrial(string) (p *Plan) {
	p, s.plan = s.plan, s.next
	s.note("%s on trial", s.plan.Dir)
	return p
}

// A reload needs no master: these are whole reloads, with all that they ask for and answer.
func TestReloadAlone(t *testing.T) {
	broken := errors.New("no port")
	for name, c := range map[string]struct {
		plan Plan
		at   position
		play func(*reload)
		want string
	}{
		"beside": {play: func(r *reload) { r.step(reloadProven, details{}) }, want: "read, start new, new takes over, 1 ready"},
		"failed beside": {
			play: func(r *reload) { r.step(reloadFailed, details{err: broken}) },
			want: "read, start new, stay, 1 failed no port",
		},
		"tried daemons": {
			play: func(r *reload) { r.step(reloadUntried, details{}); r.step(reloadAnswered, details{}) },
			want: "read, start new, new on trial, probe, commit new, gap, 1 ready",
		},
		"silent daemons": {
			play: func(r *reload) {
				r.step(reloadUntried, details{})
				r.step(reloadSilent, details{err: broken})
				r.step(reloadWhole, details{})
				r.step(reloadRestored, details{})
			},
			want: "read, start new, new on trial, probe, restore old, gap, 1 undone no port; the old configuration was started again",
		},
		"stop first": {
			plan: Plan{StopFirst: true}, at: position{complete: true, workers: 1},
			play: func(r *reload) { r.step(reloadFilled, details{}); r.step(reloadProven, details{}) },
			want: "read, switch to new, gap, new takes over, 1 ready",
		},
		"stop first that fails": {
			plan: Plan{StopFirst: true}, at: position{complete: true, workers: 1},
			play: func(r *reload) {
				r.step(reloadFailed, details{err: broken})
				r.step(reloadBroken, details{err: errors.New("no memory")})
			},
			want: "read, switch to new, refill, 1 undone no port; the old configuration was started again, and failed too: no memory",
		},
		"signal": {
			plan: Plan{Candidate: Candidate{Unchanged: true}}, at: position{complete: true, workers: 1, rereads: true},
			play: func(*reload) {}, want: "read, reread, 1 ready",
		},
		"work that waits": {
			play: func(r *reload) {
				r.step(reloadRoll, details{why: "chain"})
				r.step(reloadExamine, details{})
				r.ask(request{order: &wire.Order{Serial: 2}})
				r.step(reloadProven, details{})
				r.read(2, func() (*Plan, error) { return nil, broken })
			},
			want: "read, start new, new takes over, 1 ready, read, stay, 2 failed no port, roll: chain",
		},
		"stop": {
			play: func(r *reload) {
				r.step(reloadStop, details{err: errStopping})
				r.ask(request{order: &wire.Order{Serial: 2}})
			},
			want: "read, start new, drop, 1 failed the vassal is stopping, 2 failed the vassal is stopping",
		},
	} {
		s := &recorded{plan: &Plan{Dir: "old"}, at: c.at}
		r := &reload{
			service: s, state: reloadNone, log: slog.New(slog.DiscardHandler),
			options: func(uint64, *wire.Order) { s.note("read") },
			stop:    func(why string) { s.note("stop: %s", why) },
			answer: func(serial uint64, kind wire.NoticeKind, text string) {
				s.note("%s", strings.TrimSpace(fmt.Sprintf("%d %v %s", serial, kind, text)))
			},
			gap: gap{report: func(time.Duration) { s.note("gap") }},
		}
		c.plan.Dir = "new"
		r.ask(request{order: &wire.Order{Serial: 1}})
		r.read(1, func() (*Plan, error) { return &c.plan, nil })
		c.play(r)
		if got := strings.Join(s.lines, ", "); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
		if r.state.active() {
			t.Errorf("%s: the reload has not ended: %s", name, r.state)
		}
	}
}
