package emperor

import (
	"time"

	"github.com/emperor-go/emperor/internal/timers"
)

// heartbeat notes a sign of life. The first one is a promise of more.
func (e *Emperor) heartbeat(v *vassal) {
	v.heartbeat = time.Now()
	if e.options.Heartbeat <= 0 {
		return
	}
	if v.heartbeatTimer == nil {
		e.armHeartbeat(v, e.options.Heartbeat)
	}
}

// armHeartbeat checks after d whether the vassal still sends heartbeats.
func (e *Emperor) armHeartbeat(v *vassal, d time.Duration) {
	a := generationOf{v, v.generation}
	v.heartbeatTimer = timers.AfterFunc(d, func() { e.post(heartbeatDue{a}) })
}

// heartbeatDue: it is time to ask whether a vassal that sent heartbeats still does.
type heartbeatDue struct{ generationOf }

func (p heartbeatDue) apply(e *Emperor) {
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
		e.armHeartbeat(v, e.options.Heartbeat)
	case left > 0:
		e.armHeartbeat(v, left)
	default:
		v.heartbeatTimer = nil
		silent := time.Since(v.heartbeat).Round(time.Second)
		v.log.Error("no heartbeat: it is restarted", "silent", silent)
		e.note(v, AboutLife, "no heartbeat for %v: it is restarted", silent)
		e.input(v, Mute)
	}
}
