package termlog

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// ownPending is how much of what one of our programs prints may wait for a reader,
	// beside what a pipe holds, in bytes.
	ownPending = 64 << 10
	// LastWords is how long the end of a program waits for the reader of its log.
	LastWords = time.Second

	lostLines = "lines of the log were lost: they could not be written in time"
)

// Own returns standard error as one of our programs inside a vassal prints to it. No
// Write waits for a reader: an emperor that is stopped, or a slow disk, holds up no
// program that serves. The caller flushes it before the process ends or becomes another
// program.
func Own() *Queue {
	return NewQueue(modest{patient{os.Stderr}}, ownPending, func(lost int) []byte {
		return []byte(head(slog.LevelWarn, Marked()) + lostLines + " lines=" + strconv.Itoa(lost) + "\n")
	})
}

// OwnLog is the log of such a program.
func OwnLog(stderr *Queue) *slog.Logger { return slog.New(New(stderr, Options{Marks: Marked()})) }

// LogQueue returns a queue for the lines of a log in some form, in which it also tells
// how many were lost. w may be a file that does not block.
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

// patient writes to a file that another process, with which this one shares it, may
// have made non-blocking (open(2), O_NONBLOCK belongs to the file description).
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

// await blocks until there is room, or the reader is gone.
func (p patient) await() error {
	raw, err := p.f.SyscallConn() // Fd would make it blocking, for the other process too
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
	// largePipe is the size from which on a pipe is one that an emperor has widened, so
	// that programs of the vassal, which block when it is full, have room.
	largePipe = 256 << 10
	// roomLook is the time between two looks at how full it is: the kernel tells only
	// when it is no longer full.
	roomLook = 50 * time.Millisecond
)

// modest writes to a pipe that is large only while a quarter of it or less is taken: the
// rest is for programs that block.
type modest struct{ patient }

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

// roomy reports whether the file is no large pipe, or one that is empty enough, or one
// without a reader: the Write tells of that.
func (m modest) roomy() bool {
	raw, err := m.f.SyscallConn()
	if err != nil {
		return true
	}
	roomy := true
	_ = raw.Control(func(fd uintptr) {
		size, err := unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0)
		if err != nil || size < largePipe {
			return
		}
		taken, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ) // FIONREAD of pipe(7)
		if err != nil || taken <= size/4 {
			return
		}
		gone, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd)}}, 0) // POLLERR
		roomy = gone > 0
	})
	return roomy
}
