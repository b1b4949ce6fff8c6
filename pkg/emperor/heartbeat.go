package emperor

import (
	"time"

	"github.com/emperor-go/emperor/internal/timers"
)

// beat notes a sign of life. The first one is a promise of more.
func (v *vassal) beat(o *Options) {
	v.history.at.heartbeat = time.Now()
	if o.Heartbeat > 0 && v.run.heartbeatTimer == nil {
		v.armHeartbeat(o.Heartbeat)
	}
}

// armHeartbeat checks after d whether the vassal still sends heartbeats.
func (v *vassal) armHeartbeat(d time.Duration) {
	a := generationOf{v, v.run.generation}
	v.run.heartbeatTimer = timers.AfterFunc(d, func() { v.post(heartbeatDue{a}) })
}

// heartbeatDue: it is time to ask whether a vassal that sent heartbeats still does.
type heartbeatDue struct{ generationOf }

func (p heartbeatDue) apply(e *Emperor) {
	v := p.v
	if p.stale() || v.run.heartbeatTimer == nil {
		return
	}
	since := v.history.at.heartbeat
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
	v.armHeartbeat(left)
}

// recordSilence counts the silence as a failure.
func recordSilence(_ *Options, v *vassal) {
	v.run.heartbeatTimer = nil
	v.outcome.countFailure()
	silent := time.Since(v.history.at.heartbeat).Round(time.Second)
	v.log.Error("no heartbeat: it is restarted", "silent", silent)
	v.note(AboutLife, "no heartbeat for %v: it is restarted", silent)
}
