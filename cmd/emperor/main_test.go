package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"emperor": main}) }

// TestStories runs commands of an operator. Each file of testdata is one story; none needs
// root.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireUniqueNames: true,
		// No command asks an emperor that happens to run on this host.
		Setup: func(e *testscript.Env) error {
			e.Setenv("EMPEROR_RUNTIME_DIR", filepath.Join(e.WorkDir, "run"))
			return nil
		},
		Condition: func(what string) (bool, error) {
			if what != "root" {
				return false, errors.New("unknown condition " + what)
			}
			return os.Geteuid() == 0, nil
		},
	})
}
