package monitor

import (
	"fmt"
	"testing"
	"time"
)

// The pause before a busy file is read again does not become longer, and a few files are read at a
// time, however many are open for writing.
func TestBusyFilesAreReadInTurn(t *testing.T) {
	f := newFiles(DirOptions{Log: discard})
	if _, some := f.nextBusy(); some {
		t.Error("a busy file without any file")
	}
	long, now := time.Now().Add(-time.Hour), time.Now()
	for i := range 3 * maxBusy {
		// A file that is being read is read once more: that needs no second goroutine.
		f.entries[fmt.Sprint(i)] = &entry{busy: &Config{Name: fmt.Sprint(i), Path: "/" + fmt.Sprint(i)}, tried: long, reading: true}
	}
	if next, some := f.nextBusy(); !some || next != 0 {
		t.Errorf("files that were read an hour ago: %v, %v", next, some)
	}
	again := func() (n int) {
		for _, e := range f.entries {
			if e.again {
				e.again, e.tried = false, time.Now()
				n++
			}
		}
		return n
	}
	for range 3 {
		f.retryBusy()
		if n := again(); n != maxBusy {
			t.Errorf("%d files are read at a time, want %d", n, maxBusy)
		}
		if next, _ := f.nextBusy(); time.Since(now) < busyPause && (next == 0 || next > busyPause) {
			t.Errorf("the next read is in %v, want at most %v", next, busyPause)
		}
	}
	for name, e := range f.entries {
		if e.tried.Equal(long) {
			t.Errorf("the file %s was not read", name)
		}
	}
}
