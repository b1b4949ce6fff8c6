// Package testspace runs tests in namespaces of their own. It is for tests only.
package testspace

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// runEnv names the test that a process in namespaces of its own runs.
const runEnv = "EMPEROR_TEST_SPACE"

// Here reports whether this process runs the test in namespaces of its own.
func Here(t testing.TB) bool { return os.Getenv(runEnv) == t.Name() }

// Run runs a test again, by a process with attributes a and additional variables, until a limit. The
// test fails, or is skipped, as it was there.
func Run(t *testing.T, limit time.Duration, a *syscall.SysProcAttr, variables ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(append(os.Environ(), runEnv+"="+t.Name()), variables...)
	cmd.SysProcAttr = a
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("in namespaces of its own: %v\n%s", err, out)
	case bytes.Contains(out, []byte("--- SKIP")):
		t.Skipf("in namespaces of its own:\n%s", out)
	case !bytes.Contains(out, []byte("--- PASS: "+t.Name())):
		t.Errorf("did not run in namespaces of its own:\n%s", out)
	}
}
