package webpage

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// emperorPage makes the page of the emperor itself.
func (s *Site) emperorPage(*http.Request) func(context.Context) (view, error) {
	return func(ctx context.Context) (view, error) {
		about, err := s.Facts.About(ctx)
		if err != nil {
			return view{}, err
		}
		now, err := s.sampler.take(ctx, s.Facts)
		if err != nil {
			return view{}, err
		}
		answers, err := s.latency.measure(ctx, s.Loop)
		if err != nil {
			return view{}, err
		}
		v := view{Kind: "emperor", Title: "Emperor", Live: "live/emperor"}
		v.Parts = map[string]part{
			"about":    {"about", "about", aboutOf(about)},
			"loop":     {"loop", "loop", loopOf(answers)},
			"launches": {"launches", "launches", launchesOf(s.Events.Recent(func(eventlog.Event) bool { return true }))},
			"slowest":  {"slowest", "slowest", slowestOf(now)},
			"warnings": {"warnings", "warnings", s.Warnings.last()},
		}
		return v, nil
	}
}

func aboutOf(about control.Info) (f facts) {
	f.say("version", about.Version)
	f.say("pid", strconv.Itoa(about.PID))
	f.at("started", about.Started)
	for _, m := range about.Monitors {
		f.say("monitor", m)
	}
	if about.Namespaces != nil {
		f.say("namespaces", *about.Namespaces)
	}
	total, states := 0, []string{}
	for _, state := range emperor.States() {
		if n := about.Vassals[state]; n > 0 {
			total += n
			states = append(states, fmt.Sprintf("%d %s", n, state))
		}
	}
	text := strconv.Itoa(total)
	if total > 0 {
		text += " (" + strings.Join(states, ", ") + ")"
	}
	return append(f, fact{Key: "vassals", Value: text})
}

// loop has the latency of the emperor's loop.
type loop struct {
	Now, Most float64
	Bars      []bar
}

// loopHeight is the height of the picture of latencies. A full column is at least loopScale.
const (
	loopHeight = 32
	loopScale  = 0.005
)

func loopOf(answers []float64) loop {
	l := loop{Now: answers[len(answers)-1], Most: slices.Max(answers)}
	scale := max(l.Most, loopScale)
	for i, seconds := range answers {
		h := max(1, loopHeight*seconds/scale)
		c := control.Serves
		if seconds > 0.1 {
			c = control.Failed
		}
		l.Bars = append(l.Bars, bar{float64(maxLatencies-len(answers)+i) + 0.1, loopHeight - h, 0.8, h, c, took(seconds)})
	}
	return l
}

// durations are the median and the longest of some durations, in seconds.
type durations struct {
	Name         string
	Count        int
	Median, Most float64
}

func durationsOf(name string, list []float64) durations {
	d := durations{Name: name, Count: len(list)}
	if len(list) > 0 {
		slices.Sort(list)
		d.Median, d.Most = list[len(list)/2], list[len(list)-1]
	}
	return d
}

// launchesOf measures the launches, boots and reloads in the remembered events.
func launchesOf(events []eventlog.Event) []durations {
	began := map[string]eventlog.Event{}
	var launches, boots, reloads []float64
	for _, e := range events {
		if e.What != eventlog.AboutState {
			continue
		}
		before, known := began[e.Vassal]
		seconds := e.Time.Sub(before.Time).Seconds()
		switch {
		case !known || before.To != e.From:
		case e.From == emperor.Launching && e.To == emperor.Starting:
			launches = append(launches, seconds)
		case e.From == emperor.Starting && e.To == emperor.Running:
			boots = append(boots, seconds)
		case e.From == emperor.Reloading && e.To == emperor.Running:
			reloads = append(reloads, seconds)
		}
		began[e.Vassal] = e
	}
	return []durations{durationsOf("launches", launches), durationsOf("boots", boots), durationsOf("reloads", reloads)}
}

// maxSlowest is how many hooks the page lists.
const maxSlowest = 10

func slowestOf(now *sample) []hook {
	var list []hook
	for i := range now.vassals {
		v := &now.vassals[i]
		for _, r := range v.Hooks {
			h := hookOf(r)
			h.Vassal, h.Href = readable.Clean(v.Name), "vassals/"+url.PathEscape(v.Name)
			list = append(list, h)
		}
	}
	return slowest(list, maxSlowest)
}
