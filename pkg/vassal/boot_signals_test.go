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
)

// hanging runs a boot that ignores a stop for a minute, and sends stop signals. It returns how
// long the process lived.
func hanging(t *testing.T, hook bool, signals ...time.Duration) (ended time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	begin, exit := time.Now(), make(chan time.Duration, 100)
	v := newVassal(input{log: slog.New(slog.DiscardHandler), printed: func() {}, exit: func(int) { exit <- time.Since(begin) }})
	v.signals.arrived, v.signals.stop = make(chan os.Signal, 8), cancel
	v.signals.begin(nil, &v.progress, v.quit)
	for _, at := range signals {
		time.AfterFunc(at, func() { v.signals.arrived <- syscall.SIGTERM })
	}
	err := v.boot(ctx, []step{{"hang", func(context.Context) error {
		if hook {
			v.progress.hooking(hooks.Result{Phase: hooks.AsRoot, Index: 1})
		}
		time.Sleep(time.Minute)
		return nil
	}}})
	if !errors.Is(err, errStopped) {
		t.Errorf("%v, want %v", err, errStopped)
	}
	v.signals.end()
	exit <- time.Since(begin)
	return <-exit
}

// A boot that hangs ends one second after it was told to stop, except in a hook, and at once
// when it is told again.
func TestStopOfABootThatHangs(t *testing.T) {
	for name, tt := range map[string]struct {
		hook    bool
		signals []time.Duration
		want    time.Duration
	}{
		"while a file is read":                {false, []time.Duration{3 * time.Second}, 4 * time.Second},
		"twice":                               {false, []time.Duration{3 * time.Second, 3500 * time.Millisecond}, 3500 * time.Millisecond},
		"by two signals of one wish":          {false, []time.Duration{3 * time.Second, 3100 * time.Millisecond}, 4 * time.Second},
		"while a hook runs":                   {true, []time.Duration{3 * time.Second}, time.Minute},
		"twice while a hook runs":             {true, []time.Duration{3 * time.Second, 9 * time.Second}, 9 * time.Second},
		"while a hook runs that has its time": {true, []time.Duration{59500 * time.Millisecond}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := hanging(t, tt.hook, tt.signals...); got != tt.want {
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
