package revision

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSettled(t *testing.T) {
	fine, whole := time.Unix(1000, 4_000_000), time.Unix(1000, 0)
	for _, tt := range []struct {
		changed time.Time
		after   time.Duration
		want    bool
	}{
		{fine, 0, false},
		{fine, 9 * time.Millisecond, false},
		{fine, 10 * time.Millisecond, true},
		{fine, -time.Millisecond, false}, // the clock was set back, or is another machine's
		{fine, -time.Hour, true},
		{whole, 10 * time.Millisecond, false}, // a file system with whole seconds
		{whole, 1999 * time.Millisecond, false},
		{whole, 2 * time.Second, true},
	} {
		r := Revision{Ino: 1, Changed: unix.NsecToTimespec(tt.changed.UnixNano())}
		if got := r.Settled(tt.changed.Add(tt.after)); got != tt.want {
			t.Errorf("changed at %v, seen %v later: settled is %v", tt.changed, tt.after, got)
		}
	}
}

// An edit with the same size and a restored modification time makes another revision.
func TestRestoredModificationTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	of := func(content string) Revision {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Unix(1000, 0)); err != nil {
			t.Fatal(err)
		}
		r, _ := At(path)
		return r
	}
	first := of("1")
	time.Sleep(2 * tick)
	if second := of("2"); second == first {
		t.Errorf("both edits have the revision %+v", second)
	}
}
