package wire

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// VassalPipe is a vassal's end of the emperor's pipe. A nil VassalPipe is the end of a vassal without
// an emperor: it sends nothing and never delivers.
type VassalPipe struct {
	fd   int
	file *os.File
	held atomic.Bool
}

// NewVassalPipe takes ownership of the descriptor. The runtime's poller holds it, so that waiting
// for the emperor costs no thread.
func NewVassalPipe(fd int) *VassalPipe {
	_ = unix.SetNonblock(fd, true) // without it the wait takes a thread
	return &VassalPipe{fd: fd, file: os.NewFile(uintptr(fd), "emperor")}
}

// FD returns the descriptor, for a program that replaces this one. It stays the pipe's own.
func (p *VassalPipe) FD() int { return p.fd }

// Close ends the connection.
func (p *VassalPipe) Close() error { return p.file.Close() }

// StopReceiving makes the channel of Commands close after the commands that have arrived.
func (p *VassalPipe) StopReceiving() { _ = p.file.SetReadDeadline(time.Unix(1, 0)) }

// Report sends one byte. It never waits for an emperor that does not read: it drops a heartbeat then,
// because enough are in the pipe, and a goroutine waits with any other report.
func (p *VassalPipe) Report(r Report) error {
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
	case errors.Is(err, unix.EAGAIN) && r == Heartbeat:
		return nil
	case errors.Is(err, unix.EAGAIN):
		go func() { _, _ = p.file.Write(message) }()
		return nil
	case err != nil:
		return fmt.Errorf("cannot report %v to the emperor: %w", r, err)
	}
	return nil
}

// Held reports whether another process has the sockets of this vassal, so that their paths stay. It is known
// when Commands delivers the stop.
func (p *VassalPipe) Held() bool { return p != nil && p.held.Load() }

// Commands returns the emperor's commands, without Held. The channel is closed when the emperor is gone.
// Without an emperor it is nil and never delivers.
func (p *VassalPipe) Commands() <-chan Command {
	if p == nil {
		return nil
	}
	commands := make(chan Command)
	go func() {
		defer close(commands)
		for buffer := make([]byte, 1); ; {
			if n, err := p.file.Read(buffer); n == 0 || err != nil {
				return
			}
			if c := Command(buffer[0]); c == Held {
				p.held.Store(true)
			} else {
				commands <- c
			}
		}
	}()
	return commands
}
