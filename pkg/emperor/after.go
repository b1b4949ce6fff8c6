package emperor

import "time"

// hearing is how late a timer may be that nothing has held up, and how long one that
// was late waits for what vassals have said.
const hearing = time.Second

// after calls f when d has passed. Where that is noticed late, this process was stopped
// meanwhile (SIGSTOP, a freezer, a debugger): the silence was its own, and before f is
// called it hears what vassals said. Stop may come too late for f, as with any timer.
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
