package termlog

import (
	"os"
	"os/signal"
	"syscall"
)

// OutliveReader keeps SIGPIPE from ending this process when the reader of its output is gone,
// as after the death of an emperor: the write returns an error instead (os/signal, SIGPIPE).
// Programs that the process starts are not affected.
func OutliveReader() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
