package emperor

import (
	"fmt"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/wire"
)

// received: a message of a vassal has arrived.
type received struct {
	generationOf
	message Message
}

func (s received) apply(e *Emperor) {
	if s.stale() {
		return
	}
	v := s.v
	in := inputOf(&e.options, v, s.message)
	if in == Refused && v.takes(in) {
		v.run.answer.text = e.vassals.withHolder(v, v.run.ordered, v.run.answer.text)
	}
	if in != "" {
		e.input(v, in)
	}
}

// inputOf records a message of a vassal, and returns its input. Empty: it has none.
func inputOf(o *Options, v *vassal, message Message) Input {
	switch m := message.(type) {
	case wire.Report:
		return inputOfReport(o, v, m)
	case wire.Notice:
		return inputOfNotice(o, v, m)
	case Notification:
		return inputOfNotification(o, v, m)
	case Closed:
		return Curse
	}
	return ""
}

func inputOfReport(o *Options, v *vassal, r wire.Report) Input {
	now := time.Now()
	switch r {
	case wire.Spawned:
		v.history.at.ready = now
	case wire.Accepting:
		v.history.at.accepting, v.history.at.lastAccepting = now, now
		if v.history.inside.usesOrders { // it answers a reload by a notice
			return Accepting
		}
		return Ready
	case wire.Loyal:
		if v.history.at.loyal.IsZero() {
			v.noteFrom(AboutLife, "loyal")
		}
		v.history.at.loyal, v.history.at.lastLoyal = now, now // its failures are forgotten when it has run long enough
	case wire.Withdraw:
		return Leave
	case wire.Heartbeat:
		v.beat(o)
	case wire.Reinforce:
		return Reinforce
	}
	return ""
}

func inputOfNotice(o *Options, v *vassal, n wire.Notice) Input {
	text := oneLine(n.Text)
	switch n.Kind { // a vassal that boots may become a program without our protocol
	case wire.HookEnded:
		for _, h := range n.Hooks {
			v.hookInside(o, h)
		}
		return ""
	case wire.Booting:
		v.history.waitsFor = text
		v.noteFrom(AboutBoot, "it waits for %s", text)
		return ""
	}
	if n.Kind == wire.Confined {
		v.history.inside.landlocks.Add(n.Landlocks)
		return ""
	}
	v.history.inside.usesOrders = true
	switch {
	case n.Kind == wire.Gap:
		v.history.reload.gap, v.history.reload.waited = max(0, n.Gap), len(v.history.listening) > 0
	case n.Kind == wire.Status:
		v.setStatus(text)
	case n.Kind == wire.Workers && n.Deaths != nil:
		v.setWorkerDeaths(*n.Deaths)
	case n.Kind == wire.Listening:
		v.history.listening = []string{}
		for _, address := range n.Addresses {
			v.history.listening = append(v.history.listening, oneLine(address))
		}
	case n.Kind == wire.Renew:
		v.outcome.renews = true
		v.noteFrom(AboutLife, "ends to be started again: %s", text)
	case n.Kind == wire.Fallback:
		v.setFallback(text)
	case n.Kind == wire.Exec:
		v.history.inside.usesOrders, v.history.inside.program, v.history.mercy = false, n.Program, max(0, n.Mercy)
		if n.Probe != nil {
			v.history.waitsFor = oneLine(fmt.Sprintf("ready-probe %s %s%s", n.Probe.Kind, n.Probe.Address, n.Probe.Path))
		}
	default:
		return inputOfAnswer(v, n, text)
	}
	return ""
}

// inputOfAnswer records the answer to a reload: to the last order, or, without a serial, to one
// that the vassal made by itself. An answer to an order that another one has replaced has no effect.
func inputOfAnswer(v *vassal, n wire.Notice, text string) Input {
	missing := v.run.answer.missing
	switch {
	case n.Serial == 0 && v.takes(ReloadedItself):
		v.run.answer = reloadAnswer{kind: n.Kind, text: text, missing: missing}
		return ReloadedItself
	case n.Serial != v.run.serial:
	case n.Kind == wire.Ready && missing:
		return Late
	case n.Kind == wire.Ready:
		return Ready
	case n.Kind == wire.Failed, n.Kind == wire.Undone:
		v.run.answer = reloadAnswer{text: text, undone: n.Kind == wire.Undone, missing: missing}
		return Refused
	case n.Kind == wire.Anew:
		v.run.answer = reloadAnswer{text: text, missing: missing}
		return Unable
	}
	return ""
}

// reloadAnswer is the last answer to a reload.
type reloadAnswer struct {
	kind    wire.NoticeKind
	text    string
	undone  bool  // the workers had been ended, and were started again
	notSent error // the process cannot be asked
	missing bool  // the last order was not answered in time
}

// recordOwnReload notes how a reload went that the emperor has not ordered: a file was touched,
// or there was a signal. It does not hide that an order failed.
func recordOwnReload(_ *Options, v *vassal) {
	text := v.run.answer.text
	switch kind := v.run.answer.kind; {
	case kind == wire.Failed && text != "":
		v.noteFrom(AboutReload, "cannot reload: %s", text)
		if v.history.reload.err == "" || v.history.reload.own {
			v.history.reload.err, v.history.reload.own = text, true
		}
	case kind == wire.Ready && v.history.reload.own:
		v.noteFrom(AboutReload, "it has reloaded")
		v.history.reload.err, v.history.reload.own = "", false
	}
}

// setFallback notes that a vassal runs on its fallback configuration, or, with an
// empty text, that it does not.
func (v *vassal) setFallback(text string) {
	was := v.history.fallback
	v.history.listening = nil
	if v.history.fallback = text; text != "" {
		file, _, _ := strings.Cut(text, ": ") // the vassal has logged the reason
		v.log.Warn("runs on its fallback configuration", "file", file)
	}
	switch text {
	case was:
	case "":
		v.noteFrom(AboutFallback, "it runs on its own configuration again")
	default:
		v.noteFrom(AboutFallback, "it runs on its fallback configuration: %s", text)
	}
}

// setWorkerDeaths notes that workers of a vassal die, or have recovered.
func (v *vassal) setWorkerDeaths(d wire.Deaths) {
	was := v.history.deaths
	v.history.deaths = wire.Deaths{Recent: max(0, d.Recent), Total: max(0, d.Total), Exit: oneLine(d.Exit), Next: d.Next}
	switch {
	case v.history.deaths.Recent > 0:
		wait := max(0, time.Until(d.Next)).Round(10 * time.Millisecond)
		v.noteFrom(AboutWorkers, "a worker died: %s; the next one in %v, deaths in a row: %d", v.history.deaths.Exit, wait, v.history.deaths.Recent)
	case was.Recent > 0:
		v.noteFrom(AboutWorkers, "the workers have recovered")
	}
}

// setStatus records the status text of a vassal.
func (v *vassal) setStatus(text string) {
	if v.history.status == text {
		return
	}
	if v.history.status = text; text != "" { // otherwise the worker that sent it has ended
		v.noteFrom(AboutStatus, "%s", text)
	}
}

func inputOfNotification(o *Options, v *vassal, n Notification) Input {
	if n.Status != nil {
		v.setStatus(oneLine(*n.Status))
	}
	switch {
	case n.Stopping:
		v.history.phase = "stopping"
	case n.Ready:
		v.history.phase = ""
	case n.Reloading:
		v.history.phase = "reloading"
	}
	if n.Watchdog {
		v.beat(o)
	}
	if n.Ready {
		v.history.at.accepting, v.history.at.lastAccepting = time.Now(), time.Now()
		return Ready
	}
	return ""
}

// oneLine makes one printable line of a text of a vassal, and shortens a long one.
func oneLine(text string) string {
	const limit = 512
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}
