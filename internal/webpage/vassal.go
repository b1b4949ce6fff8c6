package webpage

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// shownLines is how many lines of a vassal's output its page shows.
const shownLines = 100

// vassalPage makes the page of one vassal.
func (s *Site) vassalPage(r *http.Request) func(context.Context) (view, error) {
	name := r.PathValue("name")
	var settings settingsPart
	found := false
	return func(ctx context.Context) (view, error) {
		v := view{Kind: "vassal", Title: readable.Clean(name), Up: "../", Live: "live/vassals/" + url.PathEscape(name), Fixed: readable.Clean(name)}
		status, err := s.Facts.Status(ctx, name, shownLines)
		var unknown *control.Error
		if errors.As(err, &unknown) && found { // it may come back while the page is open
			v.Parts = map[string]part{"head": {"head", "gone", readable.Clean(name)}}
			return v, nil
		}
		if err != nil {
			return view{}, err
		}
		found = true
		now, err := s.sampler.take(ctx, s.Facts)
		if err != nil {
			return view{}, err
		}
		if status.Config+strconv.FormatUint(status.Generation, 10) != settings.of {
			settings = s.settingsOf(ctx, status)
		}
		v.Fixed = readable.Clean(status.Name)
		v.Parts = partsOf(status, rowOf(&status.Vassal, now.cpu), s.Events.Recent(func(e eventlog.Event) bool { return e.Vassal == status.Name }), time.Now())
		v.Parts["settings"] = part{"settings", "settings", settings}
		v.Lists = map[string][]part{"lines": linesOf(status.Lines)}
		return v, nil
	}
}

func partsOf(s control.Status, r row, events []eventlog.Event, now time.Time) map[string]part {
	parts := map[string]part{}
	for id, data := range map[string]any{
		"head":        headOf(s, r),
		"timeline":    timelineOf(s, events, now),
		"facts":       factsOf(s),
		"use":         useOf(s, r),
		"generations": generationsOf(s),
		"hooks":       hooksOf(s.Hooks, s.Generation),
		"links":       linksOf(s),
		"processes":   processesOf(s.PID),
	} {
		parts[id] = part{id, id, data}
	}
	return parts
}

// head has the state of a vassal in words.
type head struct {
	row
	Desired, Errors string
	PauseUntil      time.Time
	Status          string
}

func headOf(s control.Status, r row) head {
	h := head{row: r, Errors: cleanLines(s.Error), Status: text(s.Status)}
	if s.Desired != emperor.Run {
		h.Desired = string(s.Desired)
	}
	if s.PauseUntil.After(time.Now()) {
		h.PauseUntil = s.PauseUntil
	}
	return h
}

// fact is one line of a list of facts. One with a Time shows that.
type fact struct {
	Key, Value string
	Time       time.Time
}

// facts collects facts, without unknown ones.
type facts []fact

func (f *facts) say(key, value string) {
	if value != "" && value != "0" {
		*f = append(*f, fact{Key: key, Value: readable.Clean(value)})
	}
}

func (f *facts) at(key string, t time.Time) {
	if !t.IsZero() {
		*f = append(*f, fact{Key: key, Time: t})
	}
}

func factsOf(s control.Status) (f facts) {
	f.say("pid", strconv.Itoa(s.PID))
	f.say("program", strconv.Itoa(s.Program))
	if s.RunsAs != nil {
		f.say("runs as", "uid "+strconv.FormatUint(uint64(*s.RunsAs), 10))
	}
	f.say("generation", strconv.FormatUint(s.Generation, 10))
	f.say("restarts", strconv.Itoa(s.Restarts))
	f.say("reloads", strconv.Itoa(s.Reloads))
	f.say("failures in a row", strconv.Itoa(s.Failures))
	if d := s.WorkerDeaths; d != nil {
		f.say("dead workers", strconv.Itoa(d.Total))
		f.say("last dead worker", mask(d.Exit))
		if d.Next.After(time.Now()) {
			f.at("next worker", d.Next)
		}
	}
	f.say("address", addressOf(&s.Vassal))
	f.say("file", s.Path)
	f.say("monitor", s.Monitor)
	f.say("zerg of", s.Parent)
	if s.UID != 0 || s.GID != 0 {
		f.say("owner", strconv.FormatUint(uint64(s.UID), 10)+":"+strconv.FormatUint(uint64(s.GID), 10))
	}
	f.say("configuration", s.Config)
	if s.WantedConfig != s.Config {
		f.say("in the file", s.WantedConfig)
	}
	f.at("changed", s.Modified)
	f.at("started", s.LastRun)
	f.at("ready", s.Ready)
	f.at("reloaded", s.Reloaded)
	f.at("heartbeat", s.Heartbeat)
	f.say("cgroup", s.Cgroup)
	for _, path := range s.Ignored {
		f.say("ignored", path)
	}
	return f
}

// use is a resource with its limit.
type use struct {
	Name, Value, Limit, Note string
	// Share is the used part in percent; negative without a limit.
	Share int
}

func useOf(s control.Status, r row) []use {
	list := []use{{"memory", r.Memory, r.Limit, countedBy(s.MemoryBy), r.Share}}
	cpu := use{Name: "processor", Value: readable.Seconds(s.CPU), Share: -1}
	if r.CPU != "" {
		cpu.Value = r.CPU + ", " + cpu.Value + " in all"
	}
	list = append(list, cpu)
	if s.Tasks > 0 {
		tasks := use{Name: "tasks", Value: strconv.FormatUint(s.Tasks, 10), Share: share(s.Tasks, s.TasksMax)}
		if s.TasksMax > 0 {
			tasks.Limit = strconv.FormatUint(s.TasksMax, 10)
		}
		list = append(list, tasks)
	}
	if met := s.LimitsMet(); met != "" {
		list = append(list, use{Name: "limits met", Value: met, Share: -1})
	}
	if s.Throttled > 0 {
		list = append(list, use{Name: "throttled", Value: readable.Seconds(s.Throttled), Share: -1})
	}
	return list
}

// countedBy says how memory is counted where that is not by the cgroup.
func countedBy(source control.MemorySource) string {
	switch source {
	case control.MemoryShared:
		return "PSS"
	case control.MemoryResident:
		return "RSS"
	case control.MemoryCharged:
	}
	return ""
}

// generation is one life of a vassal.
type generation struct {
	Number uint64
	Began  time.Time
	Lived  string
	// End describes the end; the present generation has none.
	End, Reason string
	Asked       bool
}

// generationsOf lists the present generation and those before, the newest first.
func generationsOf(s control.Status) (list []generation) {
	if s.PID != 0 {
		list = append(list, generation{Number: s.Generation, Began: s.LastRun})
	}
	for _, x := range slices.Backward(s.Exits) {
		life := time.Duration(x.Uptime * float64(time.Second))
		g := generation{
			Number: x.Generation, Began: x.Time.Add(-life), Lived: took(x.Uptime), End: readable.Clean(x.Text),
			Asked: x.From == emperor.Stopping || x.From == emperor.Killing,
		}
		if x.Reason != x.Text {
			g.Reason = text(x.Reason)
		}
		list = append(list, g)
	}
	return list
}

// line is a line of output.
type line struct {
	ID, Text, Level string
	Time            time.Time
}

func linesOf(lines []output.Line) []part {
	parts := make([]part, 0, len(lines))
	for _, l := range lines {
		data := line{"l" + strconv.FormatUint(l.Number, 10), text(l.Text), l.Level.String(), l.Time}
		parts = append(parts, part{data.ID, "line", data})
	}
	return parts
}

// settingsPart is the configuration in effect, without secrets.
type settingsPart struct {
	of      string // the configuration and generation that it belongs to
	List    []Setting
	Problem string
}

func (s *Site) settingsOf(ctx context.Context, status control.Status) settingsPart {
	p := settingsPart{of: status.Config + strconv.FormatUint(status.Generation, 10)}
	list, err := s.Settings(ctx, status.Name)
	if err != nil {
		p.Problem = readable.Clean(err.Error())
	}
	for _, o := range list {
		o.Value = readable.Clean(hide(o))
		o.Origin = readable.Clean(o.Origin)
		p.List = append(p.List, o)
	}
	return p
}

// text makes a text of a vassal or about one fit to be shown.
func text(s string) string { return readable.Clean(mask(s)) }

// cleanLines cleans each line of a text.
func cleanLines(lines string) string {
	var b []byte
	for i, l := range slices.Collect(splitLines(lines)) {
		if i > 0 {
			b = append(b, '\n')
		}
		b = append(b, text(l)...)
	}
	return string(b)
}
