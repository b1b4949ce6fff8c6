package monitor

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// After a jump of the clock the times of files are in the future or in the far past. No file waits for that time.
func TestJumpsOfTheClock(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "a.ini"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for jump, waits := range map[time.Duration]bool{-time.Hour: false, 0: true, time.Hour: false} {
		modified := time.Now().Add(-jump).Round(0)
		if err := os.Chtimes(f.Name(), modified, modified); err != nil {
			t.Fatal(err)
		}
		if jump != 0 && justModified(f) {
			t.Errorf("after a jump by %v a file counts as just modified", jump)
		}
		if got := !(reading{hasty: true}).accepts(f.Name(), modified, time.Minute); got != waits {
			t.Errorf("after a jump by %v a reading waits: %v", jump, got)
		}
	}
}
