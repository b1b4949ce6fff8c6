// Package timers provides timers for a process that may be stopped.
package timers

import "time"

// grace is how late a timer may fire in a process that was not stopped, and how long a late
// one waits before it calls its function.
const grace = time.Second

// AfterFunc calls f when d has passed, in a goroutine of its own, like time.AfterFunc. When the
// timer fires late, this process was stopped in the meantime (SIGSTOP, a freezer, a debugger)
// and could not receive messages. It then has a second to receive them before f is called. Stop
// of the returned timer may come too late for f, as with any timer.
func AfterFunc(d time.Duration, f func()) *time.Timer {
	due := time.Now().Add(d)
	return time.AfterFunc(d, func() {
		if time.Since(due) < grace {
			f()
			return
		}
		time.AfterFunc(grace, f)
	})
}
