package emperor

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// HookRun is the last run of one hook for a vassal, in the emperor or inside.
type HookRun struct {
	Phase hooks.Phase `json:"phase"`
	// Index counts the hooks of the phase, from 1, and Hook is its text as logs may show it.
	Index int    `json:"index"`
	Hook  string `json:"hook"`
	// Result is ok, or the failure, such as `exit status 1`.
	Result string `json:"result"`
	// Code is the exit status of its program, and Signal the signal that ended the program.
	Code   int    `json:"exit_code"`
	Signal string `json:"exit_signal,omitempty"`
	// Took is how long it ran, in seconds.
	Took       float64   `json:"took_seconds"`
	Ended      time.Time `json:"ended"`
	Generation uint64    `json:"generation"`
}

// maxHookRuns is the number of remembered runs of a vassal.
const maxHookRuns = 64

// hookBegun: a hook begins for a vassal.
type hookBegun struct {
	generationOf
	hook hooks.Result
}

func (h hookBegun) apply(*Emperor) {
	if !h.stale() {
		h.v.history.waitsFor = h.hook.Running()
	}
}

// hookDone: a hook has run for a vassal.
type hookDone struct {
	generationOf
	result hooks.Result
}

func (h hookDone) apply(e *Emperor) {
	if !h.stale() {
		h.v.hookEnded(&e.options, h.result)
	}
}

// hookEnded remembers the last run of each hook, the newest last.
func (v *vassal) hookEnded(o *Options, r hooks.Result) {
	if v.history.waitsFor == r.Running() {
		v.history.waitsFor = ""
	}
	run := HookRun{
		Phase: r.Phase, Index: r.Index, Hook: r.Text, Result: r.Exit, Code: r.Code, Took: r.Took.Seconds(),
		Ended: time.Now(), Generation: v.run.generation,
	}
	if r.Exit == "" {
		run.Result = "ok"
	}
	if r.Signal != 0 {
		run.Signal = unix.SignalName(r.Signal)
	}
	same := func(x HookRun) bool { return x.Phase == run.Phase && x.Index == run.Index }
	v.history.hookRuns = append(slices.DeleteFunc(v.history.hookRuns, same), run)
	v.history.hookRuns = v.history.hookRuns[max(0, len(v.history.hookRuns)-maxHookRuns):]
	text, note := "%s #%d (%s) after %v: %s", v.note
	if info, ok := r.Phase.Info(); ok && info.Inside() {
		note = v.noteFrom
	}
	note(AboutHook, text, run.Phase, run.Index, run.Hook, r.Took.Round(time.Millisecond), run.Result)
	if o.Observe != nil {
		o.Observe(r)
	}
}

// hookInside records a vassal's report about a hook of its own. It ignores a report about a
// hook of the emperor, and nothing else depends on reports.
func (v *vassal) hookInside(o *Options, r hooks.Result) {
	if r.Index < 1 || r.Took < 0 {
		return
	}
	if info, ok := r.Phase.Info(); !ok || !info.Inside() {
		return
	}
	r.Text, r.Exit = oneLine(r.Text), oneLine(r.Exit)
	v.hookEnded(o, r)
}
