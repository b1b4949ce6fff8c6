package emperord

import (
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/logger"
	"github.com/emperor-go/emperor/internal/revision"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config"
)

// logFile is the emperor's log in a file. It follows the name: when the file was renamed or
// removed, it is opened again before the next line. One goroutine writes.
type logFile struct {
	options config.OwnLog
	f       *os.File
	size    int64
	touched map[string]revision.Revision // of the files in Reopen and Rotate, as last seen
	again   atomic.Bool                  // open it again before the next line
}

// openLog opens the log file as the emperor's log, and replaces standard output and error by
// it. A new file belongs to uid and gid.
func openLog(o config.OwnLog, uid, gid int) (*logFile, error) {
	l := &logFile{options: o, touched: map[string]revision.Revision{}}
	_, missing := os.Stat(o.Path)
	if err := l.open(); err != nil {
		return nil, err
	}
	if os.IsNotExist(missing) && (uid != os.Geteuid() || gid != os.Getegid()) {
		if err := l.f.Chown(uid, gid); err != nil {
			return nil, fmt.Errorf("cannot change the owner of the log: %w", err)
		}
	}
	if o.Truncate {
		if err := l.f.Truncate(0); err != nil {
			return nil, fmt.Errorf("cannot empty the log: %w", err)
		}
		l.size = 0
	}
	for _, path := range append(append([]string{}, o.Reopen...), o.Rotate...) {
		l.touched[path] = contentOf(path).Revision
	}
	if o.AtReload {
		reload := make(chan os.Signal, 1)
		signal.Notify(reload, syscall.SIGHUP)
		go func() {
			for range reload {
				l.again.Store(true)
			}
		}()
	}
	return l, nil
}

// open opens the path. The last output of the Go runtime goes there too.
func (l *logFile) open() error {
	access := os.O_WRONLY
	if info, err := os.Stat(l.options.Path); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		access = os.O_RDWR // as uWSGI opens it: without waiting for a reader (fifo(7))
	}
	f, err := os.OpenFile(l.options.Path, access|os.O_APPEND|os.O_CREATE|unix.O_NOCTTY, 0o640)
	if err != nil {
		return fmt.Errorf("cannot open the log: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		for fd := 1; fd <= 2 && err == nil; fd++ {
			err = unix.Dup3(int(f.Fd()), fd, 0)
		}
	}
	if err != nil {
		f.Close()
		return fmt.Errorf("cannot open the log: %w", err)
	}
	l.f.Close() // of nil: no effect
	l.f, l.size = f, info.Size()
	return nil
}

// Write implements io.Writer. When the file cannot be opened again, it writes to the open one.
func (l *logFile) Write(p []byte) (int, error) {
	switch {
	case l.touchedAny(l.options.Rotate), l.options.MaxSize > 0 && l.size > l.options.MaxSize:
		l.rotate()
	case l.touchedAny(l.options.Reopen), l.again.Swap(false), l.moved():
		_ = l.open()
	}
	n, err := l.f.Write(p)
	l.size += int64(n)
	return n, err
}

// rotate renames the file as uWSGI does, and opens a new one.
func (l *logFile) rotate() {
	if err := logger.Rotate(l.f, l.options.Path, l.options.Backup, 0); err != nil {
		l.size = 0 // the next attempt comes after the same amount
		fmt.Fprintln(l.f, "emperor:", err)
		return
	}
	_ = l.open()
}

// moved reports whether the path names another file by now, or none.
func (l *logFile) moved() bool { return termlog.Moved(l.f, l.options.Path) }

// touchedAny reports whether one of the files was touched since the last call. Shortly after a change, another
// edit may have the same revision: the log is opened again before each line.
func (l *logFile) touchedAny(files []string) (any bool) {
	for _, path := range files {
		now := contentOf(path)
		if now.Revision != l.touched[path] {
			l.touched[path], any = now.Revision, true
		}
		if !now.settled {
			l.again.Store(true)
		}
	}
	return any
}
