package output

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/emperor-go/emperor/internal/journal"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/termlog"
)

// However many processes of vassals end while the disk of their logs hangs, they leave a
// bounded number of goroutines and of bytes. The rest is dropped and counted.
func TestRestsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, release := filepath.Join(t.TempDir(), "vassal.log"), make(chan struct{})
		h := &Hub{Files: reads.New()}
		go func() { _ = h.Files.Do(t.Context(), path, func(reads.At) error { <-release; return nil }) }()
		synctest.Wait()
		var log bytes.Buffer
		before := runtime.NumGoroutine()
		for i := range 100 {
			sink := h.Open(Vassal{Name: "a", UID: uint32(os.Geteuid()), To: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
			for range 100 {
				sink.Line(fmt.Sprintf("%d %s", i, strings.Repeat("x", 2000)))
			}
			sink.Close()
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 2*restsLimit/200000 {
			t.Errorf("%d goroutines are left", n)
		}
		lost := strings.Count(log.String(), "its last lines are lost")
		if counted := strings.Count(log.String(), "lines=100\n"); lost == 0 || counted != lost || h.rests.bytes > restsLimit {
			t.Errorf("%d losses, of which %d are counted; %d bytes wait:\n%s", lost, counted, h.rests.bytes, log.String())
		}
		close(release)
		synctest.Wait()
		text, err := os.ReadFile(path)
		if n := bytes.Count(text, []byte("\n")); err != nil || n != 100*(100-lost) {
			t.Errorf("%d lines of %d are written: %v", n, 100*(100-lost), err)
		}
		if h.rests.bytes != 0 {
			t.Errorf("%d bytes wait after the end", h.rests.bytes)
		}
	})
}

// A journal that hangs is like a disk that does.
func TestRestsForTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, before := make(chan struct{}), runtime.NumGoroutine()
		send := func(ctx context.Context, _ ...journal.Field) error {
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		var r rests
		for range 1000 {
			j := &lineWriter{newLife(), entries("a", send)}
			q := termlog.NewQueue(j, pendingBytes, func(int) []byte { return nil })
			_, _ = io.WriteString(q, "a line\n")
			r.close(q, j.life, slog.New(slog.DiscardHandler))
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > restsLimit/restCost {
			t.Errorf("%d goroutines are left", n)
		}
		close(release)
		synctest.Wait()
		if r.bytes != 0 {
			t.Errorf("%d bytes wait after the end", r.bytes)
		}
	})
}
