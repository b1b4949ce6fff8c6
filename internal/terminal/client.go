package terminal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

// detach is Ctrl-], as in telnet(1).
const detach = 0x1d

// Connect shows the terminal at conn on the terminal of in and out, until the worker or the
// input ends, the reader of out is gone, or the detach key is typed. It restores the terminal
// of in before it returns, and when a signal ends this process. Input that is no terminal is
// passed on; after its end the output is shown until there has been none for a second.
func Connect(conn net.Conn, in, out *os.File) error {
	defer conn.Close()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGWINCH)
	defer signal.Stop(signals)
	fd := int(in.Fd())
	restore := func() {}
	if term.IsTerminal(fd) {
		_, _ = io.WriteString(out, "Attached. Ctrl-] detaches.\r\n")
		state, err := term.MakeRaw(fd)
		if err != nil {
			return fmt.Errorf("cannot use this terminal: %w", err)
		}
		restore = func() {
			_ = term.Restore(fd, state)
			_, _ = io.WriteString(out, "\r\nDetached.\r\n")
		}
	}
	defer restore()
	_, err := io.WriteString(conn, greeting)
	if err == nil {
		err = tellSize(conn, out)
	}
	if err != nil {
		_, _ = io.Copy(out, conn) // it gives the reason why it accepts no more clients
		return err
	}
	ended, shown := make(chan error, 2), make(chan struct{}, 1)
	go func() { _, err := io.Copy(telling{out, shown}, conn); ended <- err }()
	go func() { ended <- keys(conn, in) }()
	var silence <-chan time.Time // nil while there may be more input
	for {
		select {
		case err := <-ended:
			switch {
			case errors.Is(err, syscall.EPIPE): // the worker is gone, or the reader of out
				return nil
			case !errors.Is(err, errInputOver):
				return err
			}
			silence = time.After(echo)
		case <-shown:
			if silence != nil {
				silence = time.After(echo)
			}
		case <-silence:
			return nil
		case s := <-signals:
			switch s {
			case syscall.SIGPIPE:
				return nil
			case syscall.SIGWINCH:
			default:
				return fmt.Errorf("ended by signal %v", s)
			}
			if err := tellSize(conn, out); err != nil {
				return err
			}
		}
	}
}

// echo is how long no output must come before a client whose input has ended leaves.
const echo = time.Second

// errInputOver means that there is no more input. More output may come.
var errInputOver = errors.New("the input is over")

// telling signals each piece of output.
type telling struct {
	out   io.Writer
	shown chan<- struct{}
}

func (t telling) Write(text []byte) (int, error) {
	n, err := t.out.Write(text)
	select {
	case t.shown <- struct{}{}:
	default:
	}
	return n, err
}

// keys sends the typed bytes, and returns nil on the detach key.
func keys(conn io.Writer, in *os.File) error {
	interactive := term.IsTerminal(int(in.Fd()))
	buffer := make([]byte, 1<<10)
	for {
		n, err := in.Read(buffer)
		typed, over := buffer[:n], false
		if at := bytes.IndexByte(typed, detach); interactive && at >= 0 {
			typed, over = typed[:at], true
		}
		if len(typed) > 0 {
			if _, err := conn.Write(frame(frameKeys, typed)); err != nil {
				return err
			}
		}
		switch {
		case over:
			return nil
		case errors.Is(err, io.EOF) && !interactive:
			return errInputOver
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// tellSize sends the window size, if there is one.
func tellSize(conn io.Writer, out *os.File) error {
	columns, rows, err := term.GetSize(int(out.Fd()))
	if err != nil {
		return nil //nolint:nilerr // no terminal has no size
	}
	_, err = conn.Write(sizeFrame(rows, columns))
	return err
}
