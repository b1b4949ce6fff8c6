package emperor

import (
	"fmt"
	"time"
)

// Topic is what a Note is about.
type Topic string

// The topics, and what their texts say.
const (
	// AboutConfig: why the newest configuration is of no use, or that it is again.
	AboutConfig Topic = "config"
	// AboutReload: what a change takes, and which options force it.
	AboutReload Topic = "reload"
	// AboutHook: which hook has run, in the emperor or inside, and its result.
	AboutHook Topic = "hook"
	// AboutBoot: what one that boots waits for.
	AboutBoot Topic = "boot"
	// AboutFallback: the configuration that it runs on instead of its own, and why,
	// or that it no longer does.
	AboutFallback Topic = "fallback"
	// AboutWorkers: that one died, and when it is replaced, or that they have recovered.
	AboutWorkers Topic = "workers"
	// AboutStatus: what it says of itself.
	AboutStatus Topic = "status"
	// AboutLife: what it wants, or no longer does: loyal, leaving, silent.
	AboutLife Topic = "life"
	// AboutBackoff: how long it waits before its next launch.
	AboutBackoff Topic = "backoff"
	// AboutOperator: what somebody asked for.
	AboutOperator Topic = "operator"
)

// Note is something worth telling that is no transition.
type Note struct {
	About Topic  `json:"about"`
	Text  string `json:"text"`
}

// mention tells of v those listeners that asked for notes. It costs nothing while
// there are none.
func (e *Emperor) mention(v *vassal, about Topic, format string, args ...any) {
	t := Transition{Time: time.Now(), From: v.state, To: v.state}
	for l := range e.listeners {
		if !l.notes {
			continue
		}
		if t.Note == nil {
			t.Note = &Note{about, fmt.Sprintf(format, args...)}
			t.Record = Record{Name: v.name, State: v.state, Since: v.since, Generation: v.generation, Config: v.config.Version.Short()}
			if v.process != nil && v.state.alive() {
				t.Record.PID = v.process.PID()
			}
		}
		l.tell(t)
	}
}

// quote passes on what the vassal itself says. One that says too much is heard
// less, so that it does not drive the news of others out of memory.
func (e *Emperor) quote(v *vassal, about Topic, format string, args ...any) {
	more, ok := v.words.take(time.Now())
	if !ok {
		return
	}
	if more > 0 {
		format += " (%d things that it said before are left out)"
		args = append(args, more)
	}
	e.mention(v, about, format, args...)
}

// ration bounds how much a vassal gets told about itself: many at once, then one
// every few seconds. The zero value is full.
type ration struct {
	next    time.Time // when it is full again
	refused int
}

const (
	// wordsAtOnce is how much a vassal may say at once that others get to know, and
	// wordEvery the time between two words after that.
	wordsAtOnce = 64
	wordEvery   = 5 * time.Second
)

// take reports whether there is one more, and how many were refused before it.
func (r *ration) take(now time.Time) (refused int, ok bool) {
	if r.next.Before(now) {
		r.next = now
	}
	if r.next.Sub(now) >= wordsAtOnce*wordEvery {
		r.refused++
		return 0, false
	}
	r.next = r.next.Add(wordEvery)
	refused, r.refused = r.refused, 0
	return refused, true
}
