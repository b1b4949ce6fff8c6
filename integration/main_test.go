//go:build linux

// Package integration contains stories. Each test runs the built programs as an operator does, in
// a world of its own, and at its end nothing may be left in that world: `make integration`, as
// root.
package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const (
	// binEnv is the directory of the programs under test.
	binEnv = "EMPEROR_BIN"
	// roleEnv makes the test binary play a role in a story.
	roleEnv = "STORY_ROLE"
	// patience is how long an immediate effect may take. It is long: stories run in parallel,
	// on busy machines.
	patience = 30 * time.Second
)

// roles are the roles that this binary plays in its own stories.
var roles = map[string]func() error{
	"world":       holdWorld,
	"advertise":   advertise,
	"application": application,
	"crowd":       crowd,
	"keyed":       keyed,
	"keyless":     keyless,
	"burglar":     burglar,
	"intruder":    intruder,
	"web":         web,
	"clients":     clients,
	"askers":      askers,
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := roles[role](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if why := unable(); why != nil {
		fmt.Println("no story can be told:", why)
		if os.Getenv("CI") != "" || os.Getenv(binEnv) != "" {
			os.Exit(1) // a run that could not test anything must not look like a success
		}
		return
	}
	removeAbandoned()
	os.Exit(m.Run())
}

// unable returns the reason why this machine cannot run the stories, or nil.
func unable() error {
	if os.Geteuid() != 0 {
		return errors.New("needs root")
	}
	for _, name := range []string{"emperor", "vassal", "vassal-server", "vassal-helper"} {
		if _, err := os.Stat(filepath.Join(os.Getenv(binEnv), name)); err != nil {
			return fmt.Errorf("%s does not hold the programs (run make integration): %w", binEnv, err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env = []string{roleEnv + "=world", "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: worldNamespaces}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the kernel makes no namespaces: %w: %s", err, out)
	}
	return nil
}

// program returns the path of a program under test.
func program(name string) string { return filepath.Join(os.Getenv(binEnv), name) }

// eventually polls for a condition without an event.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	within(t, patience, what, condition)
}

// within is eventually with another patience.
func within(t testing.TB, patience time.Duration, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}
