package vassal

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/wire"
)

// pipe is the vassal's end of the emperor's pipe.
type pipe struct{ file *os.File }

// newPipe takes ownership of the descriptor. The runtime's poller holds it, so that waiting
// for the emperor costs no thread.
func newPipe(fd int) *pipe {
	_ = unix.SetNonblock(fd, true) // without it the wait takes a thread
	return &pipe{os.NewFile(uintptr(fd), "emperor")}
}

// report sends one byte. Without an emperor it does nothing. It never waits for an emperor
// that does not read: it drops a heartbeat then, because enough are in the pipe, and a
// goroutine waits with any other report.
func (p *pipe) report(r wire.Report) error {
	if p == nil {
		return nil
	}
	raw, err := p.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("cannot report %v to the emperor: %w", r, err)
	}
	message := []byte{byte(r)}
	control := raw.Control(func(fd uintptr) { _, err = unix.Write(int(fd), message) })
	switch err = errors.Join(control, err); {
	case errors.Is(err, unix.EAGAIN) && r == wire.Heartbeat:
		return nil
	case errors.Is(err, unix.EAGAIN):
		go func() { _, _ = p.file.Write(message) }()
		return nil
	case err != nil:
		return fmt.Errorf("cannot report %v to the emperor: %w", r, err)
	}
	return nil
}

// commands returns the emperor's commands. The channel is closed when the emperor is gone.
// Without an emperor it is nil and never delivers.
func (p *pipe) commands() <-chan wire.Command {
	if p == nil {
		return nil
	}
	commands := make(chan wire.Command)
	go func() {
		defer close(commands)
		for buffer := make([]byte, 1); ; {
			if n, err := p.file.Read(buffer); n == 0 || err != nil {
				return
			}
			commands <- wire.Command(buffer[0])
		}
	}()
	return commands
}
