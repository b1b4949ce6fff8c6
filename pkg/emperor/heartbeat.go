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
	if p.stale() || v.heartbeatTimer == nil {
		return
	}
	since := v.heartbeat
	if v.since.After(since) {
		since = v.since // grace: it has just started or reloaded
	}
	left := e.options.Heartbeat - time.Since(since)
	if left <= 0 {
		if e.input(v, Mute) {
			return
		}
		left = e.options.Heartbeat // it boots, reloads or stops
	}
	e.armHeartbeat(v, left)
}

// recordSilence counts the silence as a failure.
func (e *Emperor) recordSilence(v *vassal) {
	v.heartbeatTimer = nil
	v.countFailure()
	silent := time.Since(v.heartbeat).Round(time.Second)
	v.log.Error("no heartbeat: it is restarted", "silent", silent)
	e.note(v, AboutLife, "no heartbeat for %v: it is restarted", silent)
}
