package emperord

import (
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestSignalsOfTheSameWish: timeout(1) sends its signal to the process and to its group, which
// counts as one signal.
func TestSignalsOfTheSameWish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signals, hurry := make(chan os.Signal), make(chan struct{}, 2)
		go impatient(signals, hurry, nil)
		defer close(signals)
		signals <- syscall.SIGTERM
		time.Sleep(sameWish / 2)
		signals <- syscall.SIGINT
		synctest.Wait()
		if len(hurry) != 0 {
			t.Errorf("asked twice at once counts as %d", len(hurry))
		}
		time.Sleep(sameWish)
		signals <- syscall.SIGTERM
		synctest.Wait()
		if len(hurry) != 1 {
			t.Errorf("asked again later counts as %d", len(hurry))
		}
	})
}
