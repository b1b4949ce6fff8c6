package emperor

import "time"

// hearing is how late a timer may fire on an emperor that was not stopped, and how long a late
// one waits for messages of vassals.
const hearing = time.Second

// after calls f when d has passed. When the timer fires late, this process was stopped in the
// meantime (SIGSTOP, a freezer, a debugger) and could not receive messages: it receives those
// of vassals before it calls f. Stop may come too late for f, as with any timer.
func after(d time.Duration, f func()) *time.Timer {
	due := time.Now().Add(d)
	return time.AfterFunc(d, func() {
		if time.Since(due) < hearing {
			f()
			return
		}
		time.AfterFunc(hearing, f)
	})
}
