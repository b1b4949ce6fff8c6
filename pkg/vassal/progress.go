package vassal

import (
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// slowStep is how long the boot may wait at one point before it reports that to the emperor,
	// plus or minus the same time.
	slowStep = 200 * time.Millisecond
	// longStep is how long before it is logged, and again after twice that time.
	longStep = 10 * time.Second
)

// progress is the current point of the boot. It costs almost nothing while the boot advances,
// and reports a point where the boot waits. The zero value reports nothing.
type progress struct {
	mu    sync.Mutex
	step  string        // of the boot
	point string        // the current wait; empty: the step itself
	hook  bool          // the point is a hook
	limit time.Duration // the vassal's reload-mercy
	moves int           // counts points
	timer *time.Timer
	quiet bool // the watch is over

	reported int       // the last point that the emperor knows
	seen     int       // the last point that the timer saw
	since    time.Time // the time of that
	logged   time.Duration
}

// begin records the next step of the boot.
func (p *progress) begin(step string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step, p.point, p.hook = step, "", false
	p.moves++
}

// at records the next point of the step.
func (p *progress) at(point string, hook bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.point != point || p.hook != hook {
		p.point, p.hook = point, hook
		p.moves++
	}
}

// reading is called by the reader of configurations for each additional source.
func (p *progress) reading(name string) { p.at(strconv.Quote(name)+" to be read", false) }

// hooking is called before each hook.
func (p *progress) hooking(r hooks.Result) {
	p.at(r.Running(), true)
}

// missing is called with the interfaces that the boot still waits for.
func (p *progress) missing(links []namespaces.LinkWait) {
	names := make([]string, len(links))
	for i, l := range links {
		names[i] = l.String()
	}
	p.at("interface "+strings.Join(names, ", "), false)
}

// waiting records a wait of the options.
func (p *progress) waiting(w config.Wait) { p.at("wait-for-"+w.Kind+" "+w.Name, false) }

// setMercy records the reload-mercy of the vassal, for a stop while a hook runs.
func (p *progress) setMercy(limit time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
}

// mercy returns whether a hook runs, and the vassal's own limit for it after a stop.
func (p *progress) mercy() (limit time.Duration, hook bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit, p.hook
}

// where returns the point.
func (p *progress) where() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text()
}

// text returns the point. The caller holds the lock.
func (p *progress) text() string {
	if p.point == "" {
		return "step " + strconv.Quote(p.step)
	}
	return p.point
}

// watch reports each point where the boot waits, and later logs it, until end is called.
func (p *progress) watch(report func(point string), log *slog.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since, p.logged = time.Now(), longStep
	p.timer = time.AfterFunc(slowStep, func() { p.look(report, log) })
}

func (p *progress) look(report func(point string), log *slog.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch now := time.Now(); {
	case p.quiet:
		return
	case p.moves != p.seen:
		p.seen, p.since, p.logged = p.moves, now, longStep
	case p.moves != p.reported:
		p.reported = p.moves
		report(p.text())
	case now.Sub(p.since) > p.logged:
		log.Info("waiting for "+p.text(), "since", now.Sub(p.since).Round(time.Second))
		p.logged *= 2
	}
	p.timer.Reset(slowStep)
}

// end ends the watch.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quiet = true
	if p.timer != nil {
		p.timer.Stop()
	}
}
