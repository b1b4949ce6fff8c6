package vassal

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/wire"
)

// pipe is the vassal's end of the emperor's pipe.
type pipe struct{ file *os.File }

// newPipe takes over the descriptor. It is put into the runtime's poller, so
// that waiting for the emperor costs no thread.
func newPipe(fd int) *pipe {
	_ = unix.SetNonblock(fd, true) // else it works with a thread
	return &pipe{os.NewFile(uintptr(fd), "emperor")}
}

// report sends one byte. Without an emperor nobody listens, which is no error.
func (p *pipe) report(r wire.Report) error {
	if p == nil {
		return nil
	}
	if _, err := p.file.Write([]byte{byte(r)}); err != nil {
		return fmt.Errorf("cannot report %v to the emperor: %w", r, err)
	}
	return nil
}

// commands returns what the emperor says. The channel is closed when the emperor
// is gone. Without an emperor it is nil and never delivers.
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
