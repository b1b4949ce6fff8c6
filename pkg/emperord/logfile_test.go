package emperord

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/revision"
)

// Both of two touches in one tick of the file system's clock open the log again, and a change of permissions does not.
func TestLogOpenedAgainTwiceInOneTick(t *testing.T) {
	path := filepath.Join(t.TempDir(), "touch")
	touch := func(at time.Time) {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	l := &logFile{touched: map[string]revision.Revision{}}
	opens := func() bool { return l.touchedAny([]string{path}) || l.again.Swap(false) }
	at := time.Now()
	touch(at)
	if !opens() {
		t.Error("a touch has no effect")
	}
	touch(at) // the same modification time
	if !opens() {
		t.Error("the second touch has no effect")
	}
	time.Sleep(50 * time.Millisecond)
	opens()
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if opens() {
		t.Error("it is opened again without a touch")
	}
}
