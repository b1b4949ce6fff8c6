package vassal

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/emperor-go/emperor/pkg/wire"
)

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
	go func(booted, done chan struct{}) {
		defer close(done)
		for {
			select {
			case <-booted:
				return
			case c, ok := <-v.commands:
				if !ok || c != wire.Reload {
					v.stopBoot(errStopped)
					return
				}
				v.wished = true
			case s := <-v.signals:
				if ends(s) {
					v.stopBoot(errStopped)
					return
				}
				v.wished = v.wished || s == syscall.SIGHUP
			}
		}
	}(v.booted, v.listener)
	return nil
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
