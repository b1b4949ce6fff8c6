package termlog

import (
	"os"
	"os/signal"
	"syscall"
)

// OutliveReader keeps this process from being ended by what it prints when nobody
// reads that any more, as after the death of an emperor: such a write fails, and
// that is all (os/signal, SIGPIPE). Programs that it starts are as they were.
func OutliveReader() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
