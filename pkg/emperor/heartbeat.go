package emperor

import (
	"time"

	"github.com/emperor-go/emperor/internal/timers"
)

// beat notes a sign of life. The first one is a promise of more.
func (e *Emperor) beat(v *vassal) {
	v.heartbeat = time.Now()
	if e.options.Heartbeat <= 0 {
		return
	}
	if v.pulse == nil {
		e.listen(v, e.options.Heartbeat)
	}
}

// listen looks at the vassal's pulse after d.
func (e *Emperor) listen(v *vassal, d time.Duration) {
	a := about{v, v.generation}
	v.pulse = timers.AfterFunc(d, func() { e.post(pulse{a}) })
}

// pulse: it is time to ask whether a vassal that sent heartbeats still does.
type pulse struct{ about }

func (p pulse) apply(e *Emperor) {
	v := p.v
	if p.stale() || !v.state.alive() {
		return
	}
	since := v.heartbeat
	if v.since.After(since) {
		since = v.since // grace: it has just started or reloaded
	}
	left := e.options.Heartbeat - time.Since(since)
	switch {
	case v.state != Running:
		e.listen(v, e.options.Heartbeat)
	case left > 0:
		e.listen(v, left)
	default:
		v.pulse = nil
		silent := time.Since(v.heartbeat).Round(time.Second)
		v.log.Error("no heartbeat: it is restarted", "silent", silent)
		e.mention(v, AboutLife, "no heartbeat for %v: it is restarted", silent)
		e.input(v, Mute)
	}
}
