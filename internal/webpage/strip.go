package webpage

import (
	"fmt"
	"slices"
	"time"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/pkg/emperor"
)

const (
	// stripSeconds is the length of the strip of transitions.
	stripSeconds = 60
	// stripHeight is its height; a second with as many transitions fills it.
	stripHeight = 24
	// maxNews is how many of the newest transitions are listed below it.
	maxNews = 5
)

// bar is a rectangle of a picture.
type bar struct {
	X, Y, W, H float64
	Condition  control.Condition
	Text       string
}

// news is a transition in words.
type news struct {
	Time      time.Time
	Name      string
	From, To  string
	Condition control.Condition
	Text      string
}

// strip has the transitions of the last minute.
type strip struct {
	ID    string
	Count int
	Bars  []bar
	News  []news
}

// order is the order of conditions in a column, the lowest first.
var order = []control.Condition{control.Failed, control.Changing, control.Serves, control.Inactive}

// stripOf makes a column for each second, the present one at the right, divided by the states that
// vassals entered.
func (s *Site) stripOf(now time.Time) strip {
	recent := slices.DeleteFunc(s.Events.Recent(func(eventlog.Event) bool { return true }), func(e eventlog.Event) bool {
		return e.What != eventlog.AboutState || e.To == emperor.Settled || now.Sub(e.Time) >= stripSeconds*time.Second
	})
	var counts [stripSeconds]map[control.Condition]int
	for _, e := range recent {
		column := stripSeconds - 1 - int(max(0, now.Sub(e.Time))/time.Second)
		if counts[column] == nil {
			counts[column] = map[control.Condition]int{}
		}
		counts[column][control.ConditionOf(e.To)]++
	}
	picture := strip{ID: "strip", Count: len(recent)}
	for column, c := range counts {
		picture.Bars = append(picture.Bars, columnOf(column, c)...)
	}
	for _, e := range slices.Backward(recent) {
		if len(picture.News) == maxNews {
			break
		}
		if e.To == emperor.Queued || e.To == emperor.Launching {
			continue // the next one is more telling
		}
		picture.News = append(picture.News, news{
			e.Time, readable.Clean(e.Vassal), string(e.From), string(e.To), control.ConditionOf(e.To), text(e.Text),
		})
	}
	return picture
}

// columnOf stacks the transitions of one second. More than fit are drawn smaller.
func columnOf(column int, counts map[control.Condition]int) (bars []bar) {
	total := 0
	for _, n := range counts {
		total += n
	}
	const unit = 4.0
	height, y := min(unit, stripHeight/float64(max(1, total))), float64(stripHeight)
	for _, c := range order {
		if n := counts[c]; n > 0 {
			h := height * float64(n)
			y -= h
			bars = append(bars, bar{float64(column) + 0.1, y, 0.8, h, c, fmt.Sprintf("%d s ago: %d", stripSeconds-1-column, n)})
		}
	}
	return bars
}
