package emperord

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/emperor"
)

// A read of the options that does not end is given up, and each further wish is answered at
// once. When it ends, its outcome is old, and the options are read again.
func TestReadOfTheOptionsThatTakesTooLong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "e.ini")
	if err := unix.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	feed := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil { // returns when the file is read
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	said := func(text string, times int) {
		t.Helper()
		if n := strings.Count(log.String(), text); n != times {
			t.Errorf("%q %d times, want %d:\n%s", text, n, times, log.String())
		}
	}
	ending, cancel := context.WithCancel(t.Context())
	cancel() // no loop runs that would reload vassals
	e := emperor.New(emperor.Options{})
	tune := &tuner{args: []string{"--ini", file}, outcomes: make(chan reread, 1), log: slog.New(slog.NewTextHandler(&log, nil))}

	const slow, wrong = "it takes too long", "a mistake in the emperor's options"
	tune.reload(ending, e)
	if tune.late == nil {
		t.Fatal("nothing limits the read")
	}
	tune.giveUp(ending, e)
	tune.reload(ending, e)
	said(slow, 2)
	feed("[uwsgi]\nemperor-concurrency = old\n")
	tune.settle(ending, e, <-tune.outcomes)
	said(wrong, 0)
	if tune.late == nil {
		t.Fatal("the options are not read again")
	}

	tune.reload(ending, e) // meanwhile
	feed("[uwsgi]\nemperor-concurrency = new\n")
	tune.settle(ending, e, <-tune.outcomes)
	said(wrong, 1)
	feed("[uwsgi]\nemperor-concurrency = newer\n")
	tune.settle(ending, e, <-tune.outcomes)
	said(wrong, 2)
	if tune.late != nil || tune.stuck || tune.again {
		t.Errorf("left: %+v", tune)
	}
}
