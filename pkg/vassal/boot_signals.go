package vassal

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/pkg/wire"
)

const (
	// stopTime is how long a boot that was asked to stop may take to end by itself, unless a hook
	// runs: the read of a file cannot be interrupted.
	stopTime = time.Second
	// killTime is how long a boot may take to end whose hook was killed. A C function cannot be
	// killed.
	killTime = 100 * time.Millisecond
)

// sameWish is the time in which a second signal counts as the first: some programs signal both
// a process and its group (timeout(1)).
const sameWish = 200 * time.Millisecond

// bootSignals receives stops and reloads while the process boots, by signals and from the
// emperor. A stop ends the boot; a reload is kept for the master, because the configuration may
// have been read before it.
type bootSignals struct {
	arrived chan os.Signal          // after the boot the master's
	stop    context.CancelCauseFunc // ends the boot, after the hook that runs
	kill    context.CancelFunc      // ends that hook

	booted   chan struct{} // closed when the boot is over; nil: no listener runs
	listener chan wishes   // delivers once, after booted
	wishes   wishes        // of a listener that has ended
}

// wishes are requests that arrived during the boot.
type wishes struct{ stop, reload bool }

// ask asks the kernel for the signals of a vassal.
func (b *bootSignals) ask() {
	b.arrived = make(chan os.Signal, 32)
	b.notify(syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCHLD)
}

// askAll asks for every signal that a process can handle.
func (b *bootSignals) askAll() { b.notify() }

// notify is signal.Notify. For each signal the runtime uses a thread of its own. On this
// goroutine, which is locked to the main thread, each answer would wake up the main thread.
func (b *bootSignals) notify(signals ...os.Signal) {
	var asked sync.WaitGroup
	asked.Go(func() { signal.Notify(b.arrived, signals...) })
	asked.Wait()
}

// begin starts the listener, which ends with end. quit ends the process.
func (b *bootSignals) begin(commands <-chan wire.Command, at *progress, quit func(why string)) {
	b.booted, b.listener = make(chan struct{}), make(chan wishes, 1)
	go func(booted <-chan struct{}, listener chan<- wishes) { listener <- b.listen(booted, commands, at, quit) }(b.booted, b.listener)
}

// end ends the listener and returns the requests that it has received; later signals and
// commands are the caller's. Without a listener it returns the requests of the last one.
func (b *bootSignals) end() wishes {
	if b.booted != nil {
		close(b.booted)
		b.booted, b.wishes = nil, <-b.listener
	}
	return b.wishes
}

// listen stops the boot when this process is asked to, and calls quit when the boot has not
// ended in time. A hook that runs has the time of reload-mercy: an emperor measures it, and
// without one the vassal's own option counts. The second request ends the hook and the process
// at once. listen returns with booted.
func (b *bootSignals) listen(booted <-chan struct{}, commands <-chan wire.Command, at *progress, quit func(why string)) (got wishes) {
	late, asked := (<-chan time.Time)(nil), time.Time{}
	killed, why := false, "it was asked to stop"
	for {
		stop := false
		select {
		case <-booted:
			return got
		case c, ok := <-commands:
			stop = c != wire.Reload
			if !ok { // the emperor is gone
				commands, stop = nil, !got.stop
			}
			got.reload = got.reload || ok && !stop
		case s := <-b.arrived:
			stop = stops(s)
			got.reload = got.reload || s == syscall.SIGHUP
		case <-late:
			mercy, hook := at.mercy()
			switch left := time.Until(asked.Add(mercy)); {
			case killed || !hook:
				quit(why)
			case commands != nil:
				late = time.After(stopTime)
			case left > 0:
				late = time.After(min(left, stopTime))
			default:
				b.kill()
				killed, late = true, time.After(killTime)
			}
		}
		switch {
		case !stop:
		case !got.stop:
			got.stop = true
			b.stop(errStopped)
			late, asked = time.After(stopTime), time.Now()
		case time.Since(asked) >= sameWish:
			b.kill()
			killed, why, late = true, "it was asked twice to stop", time.After(killTime)
		}
	}
}

// stops reports whether a signal asks the vassal to stop.
func stops(s os.Signal) bool {
	return s == syscall.SIGTERM || s == syscall.SIGINT || s == syscall.SIGQUIT
}

// stopWaits reports whether a signal to stop waits to be received.
func stopWaits(signals <-chan os.Signal) bool {
	for {
		select {
		case s := <-signals:
			if stops(s) {
				return true
			}
		default:
			return false
		}
	}
}
