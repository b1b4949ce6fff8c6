//go:build linux

package integration

import (
	"os"
	"testing"

	"github.com/emperor-go/emperor/internal/reads"
	supervisor "github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/launchertest"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// TestSystemConforms: the launcher of real processes passes the suite of all launchers.
func TestSystemConforms(t *testing.T) {
	t.Parallel()
	clone, err := namespaces.ParseFlags("pid,uts,net,ipc,fs")
	if err != nil {
		t.Fatal(err)
	}
	launchertest.Run(t, func(t *testing.T) launchertest.Subject {
		ears, err := supervisor.NewEars()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(ears.Close)
		spawner := namespaces.NewSpawner()
		t.Cleanup(spawner.Close)
		return launchertest.Subject{
			Launcher: &supervisor.System{Program: program("vassal"), Clone: clone, Environ: os.Environ(), Spawner: spawner, Ears: ears, Reads: reads.New()},
			Runs:     "[uwsgi]\nuid = 65534\ngid = 65534\ncommand = sleep 1000\n",
			Ends:     "[uwsgi]\nuid = 65534\ngid = 65534\nexec-as-root = false\n",
			Reloads:  true,
		}
	})
}
