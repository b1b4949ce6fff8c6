package cli

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/emperor-go/emperor/internal/ptmx"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// streams connect the standard streams of a command with a program in a vassal. The program does
// not inherit the operator's files: from an open terminal it could read, and insert input into
// the controlling terminal of the operator's session (TIOCSTI of ioctl_tty(2)).
type streams struct {
	theirs   [3]*os.File // the program's ends
	terminal *os.File    // our side of the program's new terminal; nil: standard input is not a terminal
	outputs  []*relay
	input    *os.File // our end of the program's input
	signals  chan os.Signal
}

// newStreams makes a terminal for the program if standard input is a terminal; it belongs to the
// program's user. Each of the other two streams uses that terminal if the operator's is a
// terminal, and a pipe otherwise.
func newStreams(uid int) (s *streams, err error) {
	s = &streams{signals: make(chan os.Signal, 16)}
	signal.Notify(s.signals, append([]os.Signal{unix.SIGWINCH}, passed...)...)
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	ours := [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	var tty *os.File
	if term.IsTerminal(0) {
		if s.terminal, tty, err = ptmx.Open(); err != nil {
			return s, err
		}
		if err = tty.Chown(uid, -1); err != nil {
			return s, err
		}
		ptmx.CopySize(s.terminal, 0)
		s.theirs[0], s.input = tty, s.terminal
	} else if s.theirs[0], s.input, err = namespaces.PipeByName(namespaces.ReadByName); err != nil {
		return s, err
	}
	shows := os.Stdin // only the echo goes to a terminal
	for i := 1; i < 3; i++ {
		if tty != nil && term.IsTerminal(i) {
			s.theirs[i], shows = tty, ours[i]
			continue
		}
		var read *os.File
		if read, s.theirs[i], err = namespaces.PipeByName(namespaces.WrittenByName); err != nil {
			return s, err
		}
		s.outputs = append(s.outputs, newRelay(ours[i], read))
	}
	if tty != nil {
		s.outputs = append(s.outputs, newRelay(shows, s.terminal))
	}
	return s, nil
}

// close closes all open files.
func (s *streams) close() {
	signal.Stop(s.signals)
	s.closeTheirs()
	if s.terminal != nil {
		s.terminal.Close()
	}
	if s.input != nil {
		s.input.Close()
	}
	for _, r := range s.outputs {
		r.from.Close()
	}
}

func (s *streams) closeTheirs() {
	for _, f := range s.theirs {
		if f != nil {
			f.Close() // closing twice returns a harmless error
		}
	}
}

// attend passes on input, output, signals and the window size. It returns when the helper has
// ended, with its exit code.
func (s *streams) attend(helper *exec.Cmd) (code int, err error) {
	defer s.close()
	s.closeTheirs()
	termlog.OutliveReader()
	if s.terminal != nil {
		restore, err := rawTerminal()
		if err != nil {
			_ = helper.Process.Kill()
			_ = helper.Wait()
			return 0, err
		}
		defer restore()
	}
	go func() {
		_, _ = io.Copy(s.input, os.Stdin)
		if s.terminal == nil {
			s.input.Close()
		}
	}()
	for _, r := range s.outputs {
		go r.run()
	}
	ended := make(chan error, 1)
	go func() { ended <- helper.Wait() }()
	var late <-chan time.Time
	for {
		select {
		case err := <-ended:
			return s.finish(err)
		case <-late:
			_ = helper.Process.Kill()
		case sig := <-s.signals:
			if s.handle(sig, helper) && late == nil {
				late = time.After(hangUp)
			}
		}
	}
}

// hangUp limits how long a program may outlive its terminal.
const hangUp = 2 * time.Second

// handle passes a signal on. On a terminal it sends SIGHUP instead of SIGTERM, which shells
// ignore; the program then has the time hangUp to end.
func (s *streams) handle(sig os.Signal, helper *exec.Cmd) (gone bool) {
	switch {
	case sig == unix.SIGWINCH && s.terminal != nil:
		ptmx.CopySize(s.terminal, 0)
	case sig == unix.SIGWINCH:
	case s.terminal != nil && (sig == unix.SIGTERM || sig == unix.SIGHUP):
		_ = helper.Process.Signal(unix.SIGHUP)
		return true
	default:
		_ = helper.Process.Signal(sig)
	}
	return false
}

// finish waits until all output of the program is passed on, and returns the exit code. A signal
// ends the wait.
func (s *streams) finish(ended error) (int, error) {
	code, err := exitCode(ended)
	for _, r := range s.outputs {
		r.end()
	}
	for _, r := range s.outputs {
		select {
		case <-r.done:
			err = errors.Join(err, r.err)
		case <-s.signals:
			return code, err
		}
	}
	return code, err
}

// relay copies the output of a program to the operator.
type relay struct {
	to, from *os.File
	done     chan struct{}
	err      error // of the last write; valid when done is closed
	stop     sync.Once
}

func newRelay(to, from *os.File) *relay { return &relay{to: to, from: from, done: make(chan struct{})} }

// end ends the relay once all present output is passed on: a background process of the program
// may keep the other end open.
func (r *relay) end() { r.stop.Do(func() { _ = r.from.SetReadDeadline(time.Unix(1, 0)) }) }

// leftover limits the output that is passed on after the end of the program. No pipe holds more,
// and a background process may print without end.
const leftover = 1 << 20

func (r *relay) run() {
	defer close(r.done)
	buffer := make([]byte, 32<<10)
	for {
		n, err := r.from.Read(buffer)
		if r.err = r.pass(buffer[:n]); r.err != nil {
			return
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil { // a terminal reports EIO
			return
		}
	}
	_ = r.from.SetReadDeadline(time.Time{})
	raw, err := r.from.SyscallConn()
	if err != nil {
		return
	}
	for total := 0; total < leftover; {
		n := 0
		err := raw.Read(func(fd uintptr) bool { n, _ = unix.Read(int(fd), buffer); return true })
		if r.err = r.pass(buffer[:max(n, 0)]); r.err != nil || err != nil || n <= 0 {
			return
		}
		total += n
	}
}

// pass writes to the operator. When the operator's reader is gone, the relay ends, and the
// program gets SIGPIPE on its next write.
func (r *relay) pass(text []byte) error {
	_, err := r.to.Write(text)
	if err != nil {
		r.from.Close()
	}
	if errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}
