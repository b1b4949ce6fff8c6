package workers

import (
	"log/slog"
	"time"

	"github.com/emperor-go/emperor/internal/backoff"
	"github.com/emperor-go/emperor/pkg/wire"
)

const (
	// restartFirst and restartMax limit the pause before a dead worker is replaced. The pause
	// doubles with each death. A worker that lived for restartReset is replaced at once, and
	// earlier deaths are forgotten.
	restartFirst = 500 * time.Millisecond
	restartMax   = 30 * time.Second
	restartReset = 10 * time.Second
	// forkbomb is the age below which a death counts as immediate.
	forkbomb = time.Second
	// reportTime limits the wait for the report of a dead worker's stage. The report exists
	// already, unless processes that the worker has left behind keep the pipe open.
	reportTime = time.Second
)

// pauseAfter returns the pause before a worker is replaced, and the new number of consecutive
// deaths. lived is the life of the dead worker, and delay is forkbomb-delay.
func pauseAfter(deaths int, lived, delay time.Duration) (wait time.Duration, inARow int) {
	switch {
	case lived >= restartReset:
		return 0, 1 // the other workers serve meanwhile
	case lived < forkbomb && deaths > 0:
		return max(backoff.Wait(restartFirst, restartMax, deaths+1), min(delay, restartMax)), deaths + 1
	}
	return backoff.Wait(restartFirst, restartMax, deaths+1), deaths + 1
}

// crashes counts unrequested deaths of workers.
type crashes struct {
	deaths wire.Deaths
	calmAt time.Time // when recent deaths may be forgotten; zero: there are none
	report func(wire.Deaths)
	log    *slog.Logger
}

// add reports a death. It is recent until the workers have lived long enough after it.
func (c *crashes) add(exit string, next time.Time) {
	c.deaths = wire.Deaths{Recent: c.deaths.Recent + 1, Total: c.deaths.Total + 1, Exit: exit, Next: next}
	c.calmAt = next.Add(restartReset)
	c.report(c.deaths)
}

// recovered forgets recent deaths and reports it.
func (c *crashes) recovered() {
	if c.calmAt.IsZero() {
		return
	}
	c.calmAt = time.Time{}
	c.deaths = wire.Deaths{Total: c.deaths.Total}
	c.log.Info("the workers have recovered")
	c.report(c.deaths)
}

// due checks whether the workers have recovered. calm is false while a worker is not ready.
func (c *crashes) due(now time.Time, calm bool) {
	switch {
	case !passed(c.calmAt, now):
	case calm:
		c.recovered()
	default:
		c.calmAt = now.Add(restartReset)
	}
}
