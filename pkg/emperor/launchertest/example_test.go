package launchertest_test

import (
	"testing"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/launchertest"
)

// newLauncher makes the launcher under test.
func newLauncher(*testing.T) (launcher emperor.Launcher) { return launcher }

// The test of a launcher of your own. Each part of the suite gets a new one.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestLauncher
		launchertest.Run(t, func(t *testing.T) launchertest.Subject {
			return launchertest.Subject{
				Launcher: newLauncher(t),
				Runs:     "[uwsgi]\ncommand = sleep 1000\n",
				Ends:     "[uwsgi]\ncommand = false\n",
				Reloads:  true,
			}
		})
	}
}
