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
	// slowStep is how long the boot may stay at one point before the emperor is told,
	// give or take as much.
	slowStep = 200 * time.Millisecond
	// longStep is how long before it is logged, and again after twice that time.
	longStep = 10 * time.Second
)

// progress is the point at which the boot is. It costs next to nothing while the boot
// goes on, and tells of a point where it stays. The zero value tells nobody.
type progress struct {
	mu    sync.Mutex
	step  string // of the boot
	point string // what it waits for; empty: the step itself
	hook  bool   // which is the end of a hook
	moves int    // counts points
	timer *time.Timer
	quiet bool // it is over

	told   int       // the last point that the emperor knows
	seen   int       // the last point that the timer saw
	since  time.Time // when
	logged time.Duration
}

// begin notes that the boot has come to another step.
func (p *progress) begin(step string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step, p.point, p.hook = step, "", false
	p.moves++
}

// at notes that the step has come to another point.
func (p *progress) at(point string, hook bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.point != point || p.hook != hook {
		p.point, p.hook = point, hook
		p.moves++
	}
}

// reading is told by the reader of configurations of each thing that it reads besides.
func (p *progress) reading(name string) { p.at(strconv.Quote(name)+" to be read", false) }

// hooking is told of each hook that begins.
func (p *progress) hooking(r hooks.Result) {
	p.at(r.Running(), true)
}

// missing is told of the interfaces that have not come as far as the boot waits for.
func (p *progress) missing(links []namespaces.LinkWait) {
	names := make([]string, len(links))
	for i, l := range links {
		names[i] = l.String()
	}
	p.at("interface "+strings.Join(names, ", "), false)
}

// waiting is for what the options wait for.
func (p *progress) waiting(w config.Wait) { p.at("wait-for-"+w.Kind+" "+w.Name, false) }

// interruptible reports whether the boot is where a stop need not wait.
func (p *progress) interruptible() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.hook
}

// where is the point.
func (p *progress) where() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text()
}

// text is the point. The lock is held.
func (p *progress) text() string {
	if p.point == "" {
		return "step " + strconv.Quote(p.step)
	}
	return p.point
}

// watch tells of each point where the boot stays, and in time the log, until end is
// called.
func (p *progress) watch(tell func(point string), log *slog.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since, p.logged = time.Now(), longStep
	p.timer = time.AfterFunc(slowStep, func() { p.look(tell, log) })
}

func (p *progress) look(tell func(point string), log *slog.Logger) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch now := time.Now(); {
	case p.quiet:
		return
	case p.moves != p.seen:
		p.seen, p.since, p.logged = p.moves, now, longStep
	case p.moves != p.told:
		p.told = p.moves
		tell(p.text())
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
