package network

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/emperor-go/emperor/internal/testspace"
)

// patience is how long an immediate effect may take.
const patience = 20 * time.Second

// Goroutines whose threads are to end with them must not run on the main thread.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// isolated reports whether this is the process in namespaces of its own, where the test is to
// run. Otherwise it starts that process.
func isolated(t *testing.T) bool {
	t.Helper()
	if testspace.Here(t) {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("new network namespaces need root")
	}
	limit := 5 * patience
	if soaking() {
		limit = time.Hour
	}
	testspace.Run(t, limit, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS})
	return false
}
