package hooks

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/internal/termlog"
)

// Output of a hook right before its failure is a warning, and the failure contains its last
// line; output of a hook that succeeds is information.
func TestOutputOfFailedHooks(t *testing.T) {
	r, log := runner(0)
	err := r.Run(t.Context(), AsRoot, parse(t, AsRoot, "echo fine", "echo one; echo Cannot find device >&2; echo; exit 3"))
	if err == nil || err.Error() != "hook as-root #2 (exec: echo one; echo Cannot find device >&2; echo; exit 3): exit status 3: Cannot find device" {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{"INFO  fine hook=as-root index=1", "WARN  one hook=as-root index=2", "WARN  Cannot find device hook=as-root index=2"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if n := strings.Count(log.String(), "Cannot find device"); n != 1 {
		t.Errorf("the log says it %d times:\n%s", n, log)
	}
	log.Reset()
	if err := r.Run(t.Context(), AsEmperor, parse(t, AsEmperor, "echo no link >&2; exit 4")); err != nil {
		t.Errorf("error %v, want none", err)
	}
	if text := log.String(); !strings.Contains(text, "WARN  no link ") || !strings.Contains(text, `WARN  hook failed hook=as-emperor`) || strings.Count(text, "no link") != 2 { // once in its command
		t.Errorf("the log says\n%s", text)
	}
}

// sharedBuffer is a buffer for several goroutines.
type sharedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *sharedBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *sharedBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// The output of a slow hook is logged while it runs.
func TestOutputIsNotHeldForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b sharedBuffer
		v := &outputLog{log: slog.New(termlog.New(&b, termlog.Options{}))}
		v.line("first")
		time.Sleep(holding / 2)
		v.line("second")
		if b.String() != "" {
			t.Errorf("logged at once: %s", b.String())
		}
		time.Sleep(holding/2 + 1)
		synctest.Wait()
		if b.String() != "INFO  first\n" {
			t.Errorf("after a while: %s", b.String())
		}
		if last := v.end(true); last != "second" || b.String() != "INFO  first\nWARN  second\n" {
			t.Errorf("at the end: last %q, %s", last, b.String())
		}
		v.line("late")
		if !strings.HasSuffix(b.String(), "INFO  late\n") {
			t.Errorf("after the end: %s", b.String())
		}
	})
}
