package webpage

import (
	"context"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/control"
)

const (
	// fresh is how long a sample serves further requests: any number of pages costs one.
	fresh = 900 * time.Millisecond
	// comparison is how old the sample before may be for a rate of processor time.
	comparison = 2 * time.Minute
)

// sample is the state of all vassals at one moment. It is not changed after it is made.
type sample struct {
	at      time.Time
	vassals []control.Vassal
	// cpu is the processor time that a vassal used since the sample before, in processors. Those
	// without a comparison are missing.
	cpu map[string]float64
}

// sampler makes samples on request, and remembers the last one.
type sampler struct {
	mu   sync.Mutex
	last *sample
}

// take returns a sample that is not older than fresh.
func (s *sampler) take(ctx context.Context, facts Facts) (*sample, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil && time.Since(s.last.at) < fresh {
		return s.last, nil
	}
	vassals, err := facts.All(ctx)
	if err != nil {
		return nil, err
	}
	now := &sample{at: time.Now(), vassals: vassals}
	now.cpu = rates(s.last, now)
	s.last = now
	return now, nil
}

// rates returns the processor time that each vassal used from one sample to the next.
func rates(was, is *sample) map[string]float64 {
	list := map[string]float64{}
	if was == nil || is.at.Sub(was.at) > comparison {
		return list
	}
	before := map[string]*control.Vassal{}
	for i := range was.vassals {
		before[was.vassals[i].Name] = &was.vassals[i]
	}
	for i := range is.vassals {
		v := &is.vassals[i]
		if old := before[v.Name]; old != nil && v.PID != 0 && old.PID == v.PID && v.CPU >= old.CPU {
			list[v.Name] = (v.CPU - old.CPU) / is.at.Sub(was.at).Seconds()
		}
	}
	return list
}

// latencies are the last answers of the loop, in seconds, the newest last. They are measured only for
// pages that show them.
type latencies struct {
	mu   sync.Mutex
	list []float64
}

// maxLatencies is how many are kept.
const maxLatencies = 60

// measure asks the loop and returns all latencies.
func (l *latencies) measure(ctx context.Context, loop Loop) ([]float64, error) {
	begin := time.Now()
	if _, err := loop.Progress(ctx); err != nil {
		return nil, err
	}
	took := time.Since(begin).Seconds()
	l.mu.Lock()
	defer l.mu.Unlock()
	list := append(l.list, took)
	l.list = list[max(0, len(list)-maxLatencies):]
	return append([]float64{}, l.list...), nil
}
