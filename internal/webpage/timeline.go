package webpage

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// change is the beginning of a state.
type change struct {
	at    time.Time
	state emperor.State
}

// timeline is a picture of a vassal's states over time, the present at the right.
type timeline struct {
	Bars []bar
	// Width of the picture, and Ticks below it.
	Width int
	Ticks []string
}

const (
	// timelineWidth is the width of the picture in its own units. Shorter segments are widened to
	// a unit.
	timelineWidth = 600
	// timelineHeight is its height.
	timelineHeight = 28
)

// spans are the lengths of timelines.
var spans = []time.Duration{5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 12 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour}

// timelineOf draws the remembered states of a vassal.
func timelineOf(s control.Status, events []eventlog.Event, now time.Time) timeline {
	changes := changesOf(s, events)
	span := spans[len(spans)-1]
	for _, d := range slices.Backward(spans) {
		if now.Sub(changes[0].at) <= d {
			span = d
		}
	}
	unit := span / timelineWidth
	end := now.Truncate(unit).Add(unit) // the picture moves by whole units
	begin := end.Add(-span)
	t := timeline{Width: timelineWidth}
	for i, c := range changes {
		until := end
		if i+1 < len(changes) {
			until = changes[i+1].at
		}
		if !until.After(begin) {
			continue
		}
		from := c.at
		if from.Before(begin) {
			from = begin
		}
		t.add(bar{
			X: float64(from.Sub(begin)) / float64(unit), W: float64(until.Sub(from)) / float64(unit), H: timelineHeight,
			Condition: control.ConditionOf(c.state), Text: string(c.state) + " from " + c.at.Local().Format(time.TimeOnly),
		})
	}
	for i := range 5 {
		text := "now"
		if ago := span * time.Duration(4-i) / 4; ago > 0 {
			text = "−" + rounded(readable.Age(now.Add(-ago), now))
		}
		t.Ticks = append(t.Ticks, text)
	}
	return t
}

// rounded removes the smaller unit of an age when it is zero.
func rounded(age string) string {
	for _, zero := range []string{"m0s", "h0m", "d0h"} {
		if text, is := strings.CutSuffix(age, zero); is {
			return text + zero[:1]
		}
	}
	return age
}

// add adds a segment. Segments that are too short to be seen share a unit, which shows the worst of them.
func (t *timeline) add(b bar) {
	if n := len(t.Bars); n > 0 {
		last := &t.Bars[n-1]
		if last.W < 1 && b.X-last.X < 1 {
			if slices.Index(order, b.Condition) < slices.Index(order, last.Condition) {
				last.Condition, last.Text = b.Condition, b.Text
			}
			last.W = b.X + b.W - last.X
			if b.W < 1 {
				return
			}
			last.W = 1
			b.W, b.X = max(0, b.X+b.W-last.X-1), last.X+1
		} else {
			last.W = max(last.W, 1)
		}
	}
	t.Bars = append(t.Bars, b)
}

// changesOf returns the beginnings of the remembered states, the oldest first. Before the oldest event the
// exits tell when the vassal ran. There is at least one.
func changesOf(s control.Status, events []eventlog.Event) (list []change) {
	for _, e := range events {
		if e.What == eventlog.AboutState && e.To != emperor.Settled {
			list = append(list, change{e.Time, e.To})
		}
	}
	var older []change
	for _, x := range s.Exits {
		if len(list) == 0 || x.Time.Before(list[0].at) {
			down := emperor.BackingOff
			if x.From == emperor.Stopping || x.From == emperor.Killing {
				down = emperor.Idle
			}
			older = append(older, change{x.Time.Add(-time.Duration(x.Uptime * float64(time.Second))), emperor.Running}, change{x.Time, down})
		}
	}
	list = append(older, list...)
	if n := len(list); n == 0 || list[n-1].state != s.State {
		list = append(list, change{s.Since, s.State})
	}
	slices.SortStableFunc(list, func(a, b change) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	return list
}
