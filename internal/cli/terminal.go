package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/sys/unix"
)

// The sequences of ECMA-48 that top needs: alternate screen, home, clear to the end.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	redraw      = "\x1b[H"
	clearLine   = "\x1b[K\r\n"
	clearRest   = "\x1b[J"
)

// live shows the busiest vassals on the terminal. It returns when it is interrupted, when the
// emperor does not answer, or when the operator presses q.
func (t *top) live(ctx context.Context) error {
	var busy []busyVassal
	return live(ctx, t.out, t.interval, t.count, func(ctx context.Context, fresh bool) (_ []string, err error) {
		if fresh {
			if busy, err = t.fetch(ctx); err != nil {
				return nil, err
			}
		}
		order(busy, t.sort)
		width, height, _ := screen()
		return t.view.frame(topText(t.selected(busy), t.sort, time.Now(), width), topHeads, height-1), nil
	}, func(key byte) bool {
		if t.view.press(key) {
			return false
		}
		t.press(key)
		return key == 'q'
	})
}

// live shows frames on the terminal until ctx ends, a key ends it, a frame fails, or count frames
// have been shown (0: without limit). After a key, frame is called with fresh = false and returns
// the same content in the new order. live always restores the terminal.
func live(ctx context.Context, out io.Writer, interval time.Duration, count int,
	frame func(ctx context.Context, fresh bool) ([]string, error), ends func(key byte) bool,
) error {
	s := &terminal{out: out}
	s.take()
	defer s.leave()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGWINCH)
	defer signal.Stop(signals)
	keys := s.keys()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for n, fresh := 0, true; ; {
		lines, err := frame(ctx, fresh)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		s.show(lines)
		if fresh {
			n++
		}
		if fresh && n == count {
			return nil
		}
		fresh = false
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			fresh = true
		case key := <-keys:
			if ends(key) {
				return nil
			}
		case sig := <-signals:
			if sig == syscall.SIGTSTP {
				s.suspend(ctx, signals)
			}
		}
	}
}

// selected returns the vassals that the filter selects.
func (t *top) selected(busy []busyVassal) []busyVassal {
	return slices.DeleteFunc(slices.Clone(busy), func(v busyVassal) bool { return !t.view.wants(v.Name) })
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
	before *unix.Termios // settings of the input; nil: not a terminal, or not to be changed
	taken  bool
}

// take switches to the alternate screen and reads keys unbuffered and without echo. Keys that
// send signals keep their meaning.
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
	for { // the stop may be delayed
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

// keys delivers pressed keys. Its goroutine is never joined: it ends with the process.
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

// fit cuts lines to the size of a screen.
func fit(lines []string, width, height int) []string {
	lines = lines[:min(len(lines), max(height, 1))]
	for i, l := range lines {
		if !strings.Contains(l, "\x1b") { // a line with colours already fits
			lines[i] = runewidth.Truncate(l, width, "")
		}
	}
	return lines
}

// dumb reports whether the terminal shows lines only: it has no colours, no cursor and no pager.
func dumb() bool { return os.Getenv("TERM") == "dumb" }

// screen returns the size of the terminal of standard output.
func screen() (width, height int, terminal bool) {
	size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return 80, 24, err == nil
	}
	return int(size.Col), int(size.Row), true
}
