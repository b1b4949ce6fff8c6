package termlog

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// ownPending is the number of bytes that one of our programs holds for its reader, in
	// addition to the pipe's own buffer.
	ownPending = 64 << 10
	// LastWords is how long a program waits, at its end, for the reader of its log.
	LastWords = time.Second

	lostLines = "lines of the log were lost: they could not be written in time"
)

// Own returns the standard error of one of our programs inside a vassal. No Write waits for a
// reader: a stopped emperor or a slow disk does not block a program that serves. The caller
// flushes it before the process ends or executes another program.
func Own() *Queue {
	return NewQueue(newModest(os.Stderr), ownPending, func(lost int) []byte {
		return []byte(head(slog.LevelWarn, marked(), marked()) + lostLines + " lines=" + strconv.Itoa(lost) + "\n")
	})
}

// OwnLog returns the log of such a program.
func OwnLog(stderr *Queue) *slog.Logger {
	return slog.New(New(stderr, Options{Marks: marked(), Own: marked()}))
}

// LogQueue returns a queue for log lines in a given form. The queue reports lost lines in the
// same form. w may be a non-blocking file.
func LogQueue(w io.Writer, limit int, form func(io.Writer) slog.Handler) *Queue {
	if f, ok := w.(*os.File); ok {
		w = patient{f}
	}
	return NewQueue(w, limit, func(lost int) []byte {
		var note bytes.Buffer
		slog.New(form(&note)).Warn(lostLines, "lines", lost)
		return note.Bytes()
	})
}

// patient writes to a file that another process may have made non-blocking, since both share
// the file description (open(2), O_NONBLOCK).
type patient struct{ f *os.File }

func (p patient) Write(text []byte) (n int, err error) {
	for {
		written, err := p.f.Write(text[n:])
		if n += written; !errors.Is(err, unix.EAGAIN) {
			return n, err
		}
		if err := p.await(); err != nil {
			return n, err
		}
	}
}

// await blocks until there is room, or until the reader has closed the pipe.
func (p patient) await() error {
	raw, err := p.f.SyscallConn() // Fd would make the file blocking, for the other process too
	if err != nil {
		return err
	}
	control := raw.Control(func(fd uintptr) {
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
	})
	if errors.Is(err, unix.EINTR) {
		err = nil
	}
	return errors.Join(control, err)
}

const (
	// largePipe is the size of a pipe, in bytes, from which on the emperor has enlarged it.
	// The additional room is for programs of the vassal, which block on a full pipe.
	largePipe = 256 << 10
	// roomLook is the interval of polling the pipe: the kernel only reports that it is no
	// longer full.
	roomLook = 50 * time.Millisecond
)

// modest writes to a large pipe only while a quarter of it or less is in use. The rest is for
// programs that block.
type modest struct {
	patient
	size func() int // of the pipe, in bytes; 0: it is no pipe
}

func newModest(f *os.File) modest {
	p := patient{f}
	return modest{p, sync.OnceValue(p.pipeSize)}
}

func (p patient) pipeSize() (size int) {
	if raw, err := p.f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { size, err = unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0) })
		if err != nil {
			return 0
		}
	}
	return size
}

func (m modest) Write(text []byte) (int, error) {
	if m.roomy() {
		return m.patient.Write(text)
	}
	look := time.NewTicker(roomLook)
	defer look.Stop()
	for !m.roomy() {
		<-look.C
	}
	return m.patient.Write(text)
}

// roomy reports whether the file is a small pipe, a large pipe that is empty enough, or a pipe
// without a reader, for which Write returns the error.
func (m modest) roomy() bool {
	size := m.size()
	if size < largePipe {
		return true
	}
	raw, err := m.f.SyscallConn()
	if err != nil {
		return true
	}
	roomy := true
	_ = raw.Control(func(fd uintptr) {
		taken, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ) // FIONREAD of pipe(7)
		if err != nil || taken <= size/4 {
			return
		}
		gone, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd)}}, 0) // POLLERR
		roomy = gone > 0
	})
	return roomy
}
