package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/procstat"
)

const (
	// patience is the longest silence of an emperor that answers.
	patience = 5 * time.Second
	// forever means no time limit.
	forever = time.Duration(math.MaxInt64)
)

// errNoAnswer is the cause of a cancelled request.
var errNoAnswer = errors.New("the emperor does not answer")

// whileAnswered returns a context that ends with errNoAnswer after the patience. alive reports a sign
// of life, and how long the next silence may be. done releases it.
func whileAnswered(ctx context.Context) (_ context.Context, alive func(next time.Duration), done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(patience, func() { cancel(errNoAnswer) })
	return ctx, func(next time.Duration) { timer.Reset(next) }, func() { timer.Stop(); cancel(nil) }
}

// answering is an answer whose every piece is a sign of life.
type answering struct {
	io.Reader
	alive func(next time.Duration)
}

// Read implements io.Reader.
func (h answering) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	h.alive(patience)
	return n, err
}

// unheard returns the reason of a cancelled request.
func (c *Client) unheard(ctx context.Context, method string) error {
	cause := context.Cause(ctx)
	if !errors.Is(cause, errNoAnswer) {
		return fmt.Errorf("it was not waited for: %w", cause)
	}
	later := ""
	if method != http.MethodGet {
		later = "; it may still do it later"
	}
	return fmt.Errorf("%w on %s: no answer for %v%s%s", ErrNoEmperor, filepath.Join(c.dir, SocketName), patience, c.halted(), later)
}

// halted reports that the emperor is stopped by a signal or a debugger, if it is, and is in
// the client's pid namespace. Otherwise it returns an empty string.
func (c *Client) halted() string {
	lock, err := os.ReadFile(filepath.Join(c.dir, lockName))
	pid := strings.TrimSpace(string(lock))
	if err != nil || pid == "" || strings.Contains(pid, "/") {
		return ""
	}
	switch s, _ := procstat.Read(pid); s.State {
	case "T":
		return fmt.Sprintf(" (process %s is stopped: kill -CONT %[1]s)", pid)
	case "t":
		return fmt.Sprintf(" (a debugger holds process %s)", pid)
	}
	return ""
}
