package hooks

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	// holding is the time for which a line of a hook's output is held back: a failing hook prints the
	// reason right before its end, when the failure is not known yet.
	holding = 500 * time.Millisecond
	// maxLast limits the repetition of a hook's last line in an error, in bytes.
	maxLast = 256
)

// outputLog logs the output of one hook: as information, and lines right before a failure as
// warnings.
type outputLog struct {
	log *slog.Logger

	mu    sync.Mutex
	held  []heldLine
	last  string // the last line that is not empty
	timer *time.Timer
	over  bool
}

type heldLine struct {
	text  string
	since time.Time
}

// line takes one line. It does not block.
func (v *outputLog) line(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over { // a process that a function left running prints
		v.log.Info(text)
		return
	}
	if strings.TrimSpace(text) != "" {
		v.last = text
	}
	v.held = append(v.held, heldLine{text, time.Now()})
	if v.timer == nil {
		v.timer = time.AfterFunc(holding, v.pass)
	}
}

// pass logs the lines that were held back long enough.
func (v *outputLog) pass() {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for n < len(v.held) && time.Since(v.held[n].since) >= holding {
		n++
	}
	v.print(n, slog.LevelInfo)
	if v.timer = nil; len(v.held) > 0 {
		v.timer = time.AfterFunc(holding-time.Since(v.held[0].since), v.pass)
	}
}

// print logs the first n lines. The caller holds the lock.
func (v *outputLog) print(n int, level slog.Level) {
	for _, l := range v.held[:n] {
		v.log.Log(context.Background(), level, l.text)
	}
	v.held = v.held[n:]
}

// end logs the rest when the hook has ended, and returns the last line.
func (v *outputLog) end(failed bool) (last string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over = true; v.timer != nil {
		v.timer.Stop()
	}
	level := slog.LevelInfo
	if failed {
		level = slog.LevelWarn
	}
	v.print(len(v.held), level)
	return v.last
}

// lastError is the failure of a program with its last line of output.
type lastError struct {
	error
	last string
}

func (e lastError) Error() string { return e.error.Error() + ": " + e.last }
func (e lastError) Unwrap() error { return e.error }

// withLast adds the last line of a program to its failure: the exit status alone does not
// explain it.
func withLast(err error, last string) error {
	var program *exec.ExitError
	if last == "" || !errors.As(err, &program) && !errors.Is(err, ErrTimeout) {
		return err
	}
	if last = strings.TrimSpace(last); len(last) > maxLast {
		last = strings.ToValidUTF8(last[:maxLast], "") + "…"
	}
	return lastError{err, last}
}
