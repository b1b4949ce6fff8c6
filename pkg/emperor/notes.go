package emperor

import "time"

// Topic is the subject of a Note.
type Topic string

// The topics, and their texts.
const (
	// AboutConfig: the error in the newest configuration, or that it is valid again.
	AboutConfig Topic = "config"
	// AboutReload: the class of a change, and the options that force it.
	AboutReload Topic = "reload"
	// AboutHook: a hook that has run, in the emperor or inside, and its result.
	AboutHook Topic = "hook"
	// AboutBoot: the current wait of a boot.
	AboutBoot Topic = "boot"
	// AboutFallback: the configuration that it runs on instead of its own and the reason, or
	// that the fallback has ended.
	AboutFallback Topic = "fallback"
	// AboutWorkers: the death of a worker and the time of its replacement, or that the workers
	// have recovered.
	AboutWorkers Topic = "workers"
	// AboutStatus: the status text that it sent.
	AboutStatus Topic = "status"
	// AboutLife: it is loyal, wants to stop, or sends no heartbeats any more.
	AboutLife Topic = "life"
	// AboutBackoff: the wait before its next launch.
	AboutBackoff Topic = "backoff"
	// AboutNetwork: it has lost its link; of no vassal: the policy of all was set again.
	AboutNetwork Topic = "network"
	// AboutOperator: a command of an operator.
	AboutOperator Topic = "operator"
)

// Note is an event that is no transition.
type Note struct {
	About Topic  `json:"about"`
	Text  string `json:"text"`
}

// note sends a note about the vassal to the readers that want notes.
func (v *vassal) note(about Topic, format string, args ...any) {
	v.feed.note(v, about, format, args...)
}

// noteFrom passes on a message of the vassal itself. It drops some messages of a vassal that
// sends too many, so that they do not push the events of others out of memory.
func (v *vassal) noteFrom(about Topic, format string, args ...any) {
	more, ok := v.noteLimit.allow(time.Now())
	if !ok {
		return
	}
	if more > 0 {
		format += " (%d earlier texts are left out)"
		args = append(args, more)
	}
	v.note(about, format, args...)
}

// noteLimit limits the notes of one vassal about itself: many at once, then one every few
// seconds. The zero value is full.
type noteLimit struct {
	next    time.Time // when it is full again
	refused int
}

const (
	// noteBurst is how many messages of a vassal are passed on at once, and noteInterval the
	// interval of further ones.
	noteBurst    = 64
	noteInterval = 5 * time.Second
)

// allow reports whether one more is permitted, and how many were refused before it.
func (r *noteLimit) allow(now time.Time) (refused int, ok bool) {
	if r.next.Before(now) {
		r.next = now
	}
	if r.next.Sub(now) >= noteBurst*noteInterval {
		r.refused++
		return 0, false
	}
	r.next = r.next.Add(noteInterval)
	refused, r.refused = r.refused, 0
	return refused, true
}
