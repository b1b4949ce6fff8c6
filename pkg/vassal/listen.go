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

// stopTime is how long a boot that was told to stop may take to end where it is, unless a
// hook runs: a file that is being read cannot be told.
const stopTime = time.Second

// sameWish is the time in which a further signal says what the first said: one goes to
// the process and to its group (timeout(1) does so).
const sameWish = 200 * time.Millisecond

// listen lets the emperor and the operator end a boot that takes its time, and keeps
// a wish to reload for later: what was read by then may be older than the wish. From
// here on a signal is not lost, although the first process of a pid namespace
// gets none that it does not handle (pid_namespaces(7)).
func (v *Vassal) listen(context.Context) error {
	v.signals = make(chan os.Signal, 32)
	// For each signal the runtime asks a thread of its own. The main thread, to which
	// this goroutine is locked, would have to be woken up for every answer.
	var asked sync.WaitGroup
	asked.Go(func() {
		signal.Notify(v.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1,
			syscall.SIGUSR2, syscall.SIGCHLD)
	})
	asked.Wait()
	v.commands = v.pipe.commands()
	v.booted, v.listener = make(chan struct{}), make(chan struct{})
	v.progress.watch(v.booting, v.Log)
	go v.heed(v.booted, v.listener)
	return nil
}

// heed stops the boot when this process is told to, ends the process when the boot has
// not ended in time, and at once when it is told again. It ends with booted.
func (v *Vassal) heed(booted <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	commands, late, told := v.commands, (<-chan time.Time)(nil), time.Time{}
	for {
		stop := false
		select {
		case <-booted:
			return
		case c, ok := <-commands:
			stop = c != wire.Reload
			if !ok { // the emperor is gone
				commands, stop = nil, !v.stopped.Load()
			}
			v.wished = v.wished || ok && !stop
		case s := <-v.signals:
			stop = ends(s)
			v.wished = v.wished || s == syscall.SIGHUP
		case <-late:
			late = time.After(stopTime)
			if v.progress.interruptible() {
				v.quit("it was told to stop")
			}
		}
		switch {
		case !stop:
		case !v.stopped.Swap(true):
			v.stopBoot(errStopped)
			late, told = time.After(stopTime), time.Now()
		case time.Since(told) >= sameWish:
			v.quit("it was told twice to stop")
		}
	}
}

// quit ends this process, whatever it is doing. A boot that was stopped is no failure.
func (v *Vassal) quit(why string) {
	v.Log.Warn("ends while booting: "+why, "waiting for", v.progress.where())
	v.Printed()
	v.Exit(0)
}

// unlisten ends the boot's listener; what comes from now on is the caller's.
func (v *Vassal) unlisten() {
	if v.listener == nil {
		return
	}
	close(v.booted)
	<-v.listener
	v.listener = nil
}

// ends reports whether a signal asks the vassal to end.
func ends(s os.Signal) bool {
	return s == syscall.SIGTERM || s == syscall.SIGINT || s == syscall.SIGQUIT
}
