package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The sequences of ECMA-48 that top needs: other screen, home, clear to the end.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	redraw      = "\x1b[H"
	clearLine   = "\x1b[K\r\n"
	clearRest   = "\x1b[J"
)

// live shows snapshots on the terminal until it is interrupted, the emperor does not answer,
// or the operator presses q. It always restores the terminal.
func (t *top) live(ctx context.Context) error {
	s := &terminal{out: t.out}
	s.take()
	defer s.leave()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGWINCH)
	defer signal.Stop(signals)
	keys := s.keys()
	ticker := time.NewTicker(t.interval)
	defer ticker.Stop()
	var busy []busyVassal
	for n, fresh := 0, true; ; {
		if fresh {
			var err error
			if busy, err = t.look(ctx); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			n++
		}
		order(busy, t.sort)
		s.show(topText(busy, t.sort, time.Now()))
		if fresh && n == t.count {
			return nil
		}
		fresh = false
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			fresh = true
		case key := <-keys:
			if key == 'q' {
				return nil
			}
			t.press(key)
		case sig := <-signals:
			if sig == syscall.SIGTSTP {
				s.suspend(ctx, signals)
			}
		}
	}
}

// press sorts by the key whose name begins with the letter.
func (t *top) press(letter byte) {
	for _, key := range sortKeys() {
		if key[0] == letter {
			t.sort = key
		}
	}
}

// terminal is the terminal of top.
type terminal struct {
	out    io.Writer
	before *unix.Termios // of the input; nil: it is no terminal, or must not be changed
	taken  bool
}

// take switches to the other screen, and reads keys unbuffered and without echo. Keys for
// signals keep their meaning.
func (s *terminal) take() {
	in := int(os.Stdin.Fd())
	if was, err := unix.IoctlGetTermios(in, unix.TCGETS); err == nil {
		now := *was
		now.Lflag &^= unix.ICANON | unix.ECHO
		now.Cc[unix.VMIN], now.Cc[unix.VTIME] = 1, 0
		if unix.IoctlSetTermios(in, unix.TCSETS, &now) == nil {
			s.before = was
		}
	}
	s.taken = true
	fmt.Fprint(s.out, enterScreen)
}

// leave restores the terminal.
func (s *terminal) leave() {
	if !s.taken {
		return
	}
	s.taken = false
	fmt.Fprint(s.out, leaveScreen)
	if s.before != nil {
		_ = unix.IoctlSetTermios(int(os.Stdin.Fd()), unix.TCSETS, s.before)
	}
}

// suspend stops this process as Ctrl-Z does, with the terminal restored until it continues.
func (s *terminal) suspend(ctx context.Context, signals <-chan os.Signal) {
	s.leave()
	_ = unix.Kill(os.Getpid(), unix.SIGSTOP)
	for { // the stop may come a moment later
		select {
		case sig := <-signals:
			if sig == syscall.SIGCONT {
				s.take()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// keys delivers pressed keys. The goroutine that reads them is not waited for: it ends with
// the process.
func (s *terminal) keys() <-chan byte {
	if s.before == nil {
		return nil
	}
	keys := make(chan byte)
	go func() {
		var key [1]byte
		for {
			if n, err := os.Stdin.Read(key[:]); n == 0 || err != nil {
				return
			}
			keys <- key[0]
		}
	}()
	return keys
}

// show draws over the previous lines.
func (s *terminal) show(lines []string) {
	width, height, _ := screen()
	fmt.Fprint(s.out, redraw+strings.Join(fit(lines, width, height-1), clearLine)+clearRest)
}

// fit cuts lines to a screen.
func fit(lines []string, width, height int) []string {
	lines = lines[:min(len(lines), max(height, 1))]
	for i, l := range lines {
		if r := []rune(l); len(r) > width {
			lines[i] = string(r[:width])
		}
	}
	return lines
}

// screen returns the size of the terminal.
func screen() (width, height int, terminal bool) {
	size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return 80, 24, err == nil
	}
	return int(size.Col), int(size.Row), true
}
