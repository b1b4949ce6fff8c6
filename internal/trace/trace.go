// Package trace answers one question: how long did each part of a launch take? It makes a trace of OpenTelemetry
// of each launch, from the emperor's transitions, and sends it by OTLP over HTTP as JSON (opentelemetry.io/docs/specs/otlp).
package trace

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// span is a part of a launch, in the form of OTLP.
type span struct {
	TraceID    string      `json:"traceId"`
	SpanID     string      `json:"spanId"`
	ParentID   string      `json:"parentSpanId,omitempty"`
	Name       string      `json:"name"`
	Kind       int         `json:"kind"` // 1: internal
	Begin      string      `json:"startTimeUnixNano"`
	End        string      `json:"endTimeUnixNano"`
	Attributes []attribute `json:"attributes,omitempty"`
	Status     *outcome    `json:"status,omitempty"`
}

// outcome is a failure of a span.
type outcome struct {
	Code    int    `json:"code"` // 2: an error
	Message string `json:"message,omitempty"`
}

type attribute struct {
	Key   string `json:"key"`
	Value value  `json:"value"`
}

// value is a text or a number, which OTLP writes as text.
type value struct {
	Text   string `json:"stringValue,omitempty"`
	Number string `json:"intValue,omitempty"`
}

func text(key, v string) attribute { return attribute{key, value{Text: v}} }

func number(key string, n uint64) attribute {
	return attribute{key, value{Number: strconv.FormatUint(n, 10)}}
}

// launch is the launch of a vassal that is in progress.
type launch struct {
	queued, launching, starting time.Time
	wait                        string // that its boot reports
	waits                       []interval
}

// interval is a named part of a launch.
type interval struct {
	name       string
	begin, end time.Time
}

// collector makes traces from transitions and notes. The zero value is ready.
type collector struct{ launches map[string]*launch }

// add takes a transition or a note in, and returns the spans of a launch that it ends. Nil: it ends none.
func (c *collector) add(t *emperor.Transition) []span {
	name := t.Record.Name
	l := c.launches[name]
	if t.Note != nil {
		if l != nil && t.Note.About == emperor.AboutBoot {
			l.waiting(t.Note.Text, t.Time)
		}
		return nil
	}
	switch t.To {
	case emperor.Queued, emperor.Reverting:
		if c.launches == nil {
			c.launches = map[string]*launch{}
		}
		c.launches[name] = &launch{queued: t.Time}
		return nil
	case emperor.Launching:
		if l != nil {
			l.launching = t.Time
		}
		return nil
	case emperor.Starting:
		if l != nil {
			l.starting = t.Time
		}
		return nil
	case emperor.Cancelling, emperor.Stopping, emperor.Cursed, emperor.Killing:
		return nil // the end follows
	}
	delete(c.launches, name)
	if l == nil || l.launching.IsZero() {
		return nil
	}
	return l.spans(t)
}

// waiting records the object that a boot waits for from now on. Empty: nothing any more.
func (l *launch) waiting(text string, now time.Time) {
	if l.wait != "" {
		l.waits[len(l.waits)-1].end = now
	}
	if l.wait = text; text != "" {
		l.waits = append(l.waits, interval{name: text, begin: now})
	}
}

// spans returns the trace of a launch that has ended with a transition.
func (l *launch) spans(t *emperor.Transition) []span {
	l.waiting("", t.Time)
	r := t.Record
	tree := tree{trace: id(16)}
	root := tree.add("", interval{"start of " + r.Name, l.queued, t.Time}, failureOf(t),
		text("emperor.vassal", r.Name), number("emperor.generation", r.Generation), text("emperor.config", r.Config))
	tree.add(root, interval{"queue", l.queued, l.launching}, "")
	until := l.starting
	if until.IsZero() {
		until = t.Time
	}
	launching := tree.add(root, interval{"launch", l.launching, until}, "")
	for _, s := range r.LaunchSteps {
		tree.add(launching, interval{s.Name, s.Began, s.Ended}, "")
	}
	boot := launching
	if !l.starting.IsZero() {
		boot = tree.add(root, interval{"boot", l.starting, t.Time}, "")
		for _, w := range l.waits {
			tree.add(boot, w, "")
		}
	}
	for _, h := range r.Hooks {
		if h.Generation == r.Generation && !h.Ended.Before(l.queued) {
			tree.hook(h, launching, boot)
		}
	}
	return tree.spans
}

// failureOf returns the reason of a launch that has failed. Empty: the vassal runs.
func failureOf(t *emperor.Transition) string {
	switch {
	case t.To == emperor.Running:
		return ""
	case t.From == emperor.Launching || t.From == emperor.Cancelling:
		if t.Record.LaunchError != "" {
			return t.Record.LaunchError
		}
		return "cancelled"
	case t.Record.ExitReason != "":
		return t.Record.ExitReason
	}
	return string(t.To)
}

// tree collects the spans of one trace.
type tree struct {
	trace string
	spans []span
}

// add adds a span below another, and returns its id. failure is empty after success.
func (t *tree) add(parent string, part interval, failure string, attributes ...attribute) string {
	s := span{
		TraceID: t.trace, SpanID: id(8), ParentID: parent, Name: part.name, Kind: 1, Attributes: attributes,
		Begin: strconv.FormatInt(part.begin.UnixNano(), 10), End: strconv.FormatInt(part.end.UnixNano(), 10),
	}
	if failure != "" {
		s.Status = &outcome{2, failure}
	}
	t.spans = append(t.spans, s)
	return s.SpanID
}

// hook adds the run of a hook, below the launch or below the boot, where it ran.
func (t *tree) hook(h emperor.HookRun, launching, boot string) {
	failure := ""
	if h.Result != "ok" {
		failure = h.Result
	}
	parent := launching
	if info, ok := h.Phase.Info(); ok && info.Inside() {
		parent = boot
	}
	took := time.Duration(h.Took * float64(time.Second))
	t.add(parent, interval{"hook " + string(h.Phase), h.Ended.Add(-took), h.Ended}, failure,
		text("emperor.hook", h.Hook), text("emperor.phase", string(h.Phase)), number("emperor.index", uint64(h.Index))) //nolint:gosec // it counts from 1
}

// id returns a random number of n bytes as OTLP writes it.
func id(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails (crypto/rand)
	return hex.EncodeToString(b)
}
