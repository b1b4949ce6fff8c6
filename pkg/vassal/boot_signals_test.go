package vassal

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// hanging runs a boot that ignores a stop for a minute, and sends stop signals. It returns how
// long the process lived.
func hanging(t *testing.T, h hang) (ended time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	killed, kill := context.WithCancel(t.Context())
	defer kill()
	begin, exit := time.Now(), make(chan time.Duration, 100)
	v := newVassal(input{log: slog.New(slog.DiscardHandler), printed: func() {}, exit: func(int) { exit <- time.Since(begin) }}, ownPrograms{})
	v.signals.arrived, v.signals.stop, v.signals.kill = make(chan os.Signal, 8), cancel, kill
	v.progress.setMercy(h.mercy)
	var emperor chan wire.Command
	if h.emperor {
		emperor = make(chan wire.Command)
	}
	v.signals.begin(emperor, &v.progress, v.quit)
	for _, at := range h.signals {
		time.AfterFunc(at, func() { v.signals.arrived <- syscall.SIGTERM })
	}
	err := v.boot(ctx, []step{{"hang", func(context.Context) error {
		if !h.hook {
			time.Sleep(time.Minute)
			return nil
		}
		v.progress.hooking(hooks.Result{Phase: hooks.AsRoot, Index: 1})
		if h.function {
			killed = t.Context()
		}
		select {
		case <-time.After(time.Minute):
		case <-killed.Done():
		}
		return nil
	}}})
	if !errors.Is(err, errStopped) {
		t.Errorf("%v, want %v", err, errStopped)
	}
	v.signals.end()
	exit <- time.Since(begin)
	return <-exit
}

// hang is a boot that hangs, and its stops.
type hang struct {
	hook     bool          // a hook runs
	function bool          // it is a C function, which cannot be killed
	emperor  bool          // there is one
	mercy    time.Duration // reload-mercy
	signals  []time.Duration
}

// A boot that hangs ends one second after it was asked to stop, and at once when it is asked
// again. A hook has the time of reload-mercy, which an emperor measures.
func TestStopOfABootThatHangs(t *testing.T) {
	const second = time.Second
	once, twice := []time.Duration{3 * second}, []time.Duration{3 * second, 9 * second}
	for name, tt := range map[string]struct {
		hang
		want time.Duration
	}{
		"while a file is read":             {hang{mercy: time.Hour, signals: once}, 4 * second},
		"twice":                            {hang{signals: []time.Duration{3 * second, 3500 * time.Millisecond}}, 3500*time.Millisecond + killTime},
		"by two signals of one wish":       {hang{signals: []time.Duration{3 * second, 3100 * time.Millisecond}}, 4 * second},
		"while a hook runs":                {hang{hook: true, mercy: time.Hour, signals: once}, time.Minute},
		"while a hook runs for too long":   {hang{hook: true, mercy: 20500 * time.Millisecond, signals: once}, 23500 * time.Millisecond},
		"while a hook has less":            {hang{hook: true, mercy: second / 2, signals: once}, 4 * second},
		"while an emperor measures it":     {hang{hook: true, mercy: 20 * second, emperor: true, signals: once}, time.Minute},
		"twice while a hook runs":          {hang{hook: true, mercy: time.Hour, emperor: true, signals: twice}, 9 * second},
		"while a function runs":            {hang{hook: true, function: true, mercy: time.Hour, signals: once}, time.Minute},
		"while a function runs too long":   {hang{hook: true, function: true, mercy: 20 * second, signals: once}, 23*second + killTime},
		"twice while a function runs":      {hang{hook: true, function: true, mercy: time.Hour, emperor: true, signals: twice}, 9*second + killTime},
		"shortly before the end of a hook": {hang{hook: true, mercy: 20 * second, signals: []time.Duration{59500 * time.Millisecond}}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := hanging(t, tt.hang); got != tt.want {
					t.Errorf("it ends after %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// A boot that advances reports nothing; a boot that waits reports its point once, and logs it
// after a time.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		var out bytes.Buffer
		p := &progress{}
		p.watch(func(point string) { told = append(told, point) }, slog.New(termlog.New(&out, termlog.Options{})))
		say := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if !slices.Equal(told, want) {
				t.Errorf("told are %q, want %q", told, want)
			}
			told = nil
		}
		for range 100 {
			p.begin("one of many")
			time.Sleep(slowStep / 2)
		}
		say()
		p.begin("parse options")
		time.Sleep(3 * slowStep)
		say(`step "parse options"`)
		p.reading("/srv/fifo")
		time.Sleep(3 * slowStep)
		p.missing([]namespaces.LinkWait{{Name: "eth0"}, {Name: "eth1", State: namespaces.LinkUp}})
		time.Sleep(3 * slowStep)
		p.missing([]namespaces.LinkWait{{Name: "eth1", State: namespaces.LinkUp}})
		p.missing([]namespaces.LinkWait{{Name: "eth1", State: namespaces.LinkUp}})
		time.Sleep(3 * slowStep)
		say(`"/srv/fifo" to be read`, "interface eth0, eth1:up", "interface eth1:up")
		p.hooking(hooks.Result{Phase: hooks.AsRoot, Index: 2, Text: "exec: sleep 300"})
		time.Sleep(35 * time.Second)
		say("hook as-root #2 (exec: sleep 300)")
		p.end()
		p.begin("the end")
		time.Sleep(time.Minute)
		say()
		if n := strings.Count(out.String(), "waiting for hook as-root #2 (exec: sleep 300)"); n != 2 {
			t.Errorf("%d lines of the log: %s", n, out.String())
		}
	})
}
