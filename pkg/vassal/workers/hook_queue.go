package workers

import "github.com/emperor-go/emperor/pkg/hooks"

// hookQueue runs hooks outside the loop, one phase after the other.
type hookQueue struct {
	*base
	waiting []func() // the first one runs
}

// run runs the hooks of a phase of a plan. file is the file of phases that have one.
func (q *hookQueue) run(plan *Plan, p hooks.Phase, file string) {
	if !plan.HasHooks(p) {
		return
	}
	run := plan.RunHooks(p, file)
	q.waiting = append(q.waiting, func() { q.post(hooksRan{run()}) })
	if len(q.waiting) == 1 {
		go q.waiting[0]()
	}
}

// next runs the next phase after one has ended.
func (q *hookQueue) next() {
	if q.waiting = q.waiting[1:]; len(q.waiting) > 0 {
		go q.waiting[0]()
	}
}

func (q *hookQueue) empty() bool { return len(q.waiting) == 0 }
