//go:build linux

package integration

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/emperor/launchertest"
	"github.com/emperor-go/emperor/pkg/emperor/process"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// ownProcess marks the process in which a test runs alone.
const ownProcess = "EMPEROR_TEST_ALONE"

// TestLauncherConforms: the launcher of real processes passes the suite of all launchers. It runs in a
// process of its own: the end of a spawner ends its thread, which may have started the programs
// of other tests, and the kernel would kill them (PR_SET_PDEATHSIG of prctl(2)).
func TestLauncherConforms(t *testing.T) {
	if os.Getenv(ownProcess) == "" {
		t.Parallel()
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestLauncherConforms$", "-test.v")
		cmd.Env = append(os.Environ(), ownProcess+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestLauncherConforms")) {
			t.Errorf("in a process of its own: %v\n%s", err, out)
		}
		return
	}
	clone, err := namespaces.ParseFlags("pid,uts,net,ipc,fs")
	if err != nil {
		t.Fatal(err)
	}
	launchertest.Run(t, func(t *testing.T) launchertest.Subject {
		poller, err := process.NewPoller()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(poller.Close)
		spawner := namespaces.NewSpawner()
		t.Cleanup(spawner.Close)
		return launchertest.Subject{
			Launcher: &process.Launcher{
				Programs: process.Programs{Vassal: program("vassal")}, Environ: process.Environment{Own: os.Environ()},
				Clone: clone, Spawner: spawner, Poller: poller, Reads: reads.New(),
			},
			Runs:    "[uwsgi]\nuid = 65534\ngid = 65534\ncommand = sleep 1000\n",
			Ends:    "[uwsgi]\nuid = 65534\ngid = 65534\nexec-as-root = false\n",
			Reloads: true,
		}
	})
}
