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

// stopTime is how long a boot that was told to stop may take to end by itself, unless a hook
// runs: the read of a file cannot be interrupted.
const stopTime = time.Second

// sameWish is the time in which a second signal counts as the first: some programs signal both
// a process and its group (timeout(1)).
const sameWish = 200 * time.Millisecond

// listen lets the emperor and the operator end a long boot, and keeps a reload signal for the
// master: the configuration may have been read before it. From here on no signal is lost,
// although the first process of a pid namespace gets only signals that it handles
// (pid_namespaces(7)).
func (v *Vassal) listen(context.Context) error {
	v.signals = make(chan os.Signal, 32)
	// For each signal the runtime uses a thread of its own. On this goroutine, which is locked
	// to the main thread, each answer would wake up the main thread.
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

// heed stops the boot when this process is told to. It ends the process when the boot has not
// ended in time, and at once when it is told again. It returns with booted.
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

// quit ends this process in any state. A boot that was stopped is no failure.
func (v *Vassal) quit(why string) {
	v.Log.Warn("ends while booting: "+why, "waiting for", v.progress.where())
	v.Printed()
	v.Exit(0)
}

// unlisten ends the boot's listener; later signals and messages are the caller's.
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
