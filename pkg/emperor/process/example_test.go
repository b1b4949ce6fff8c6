package process_test

import (
	"context"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/emperor/process"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// An emperor with real processes in namespaces of their own, without options, control socket and network. A whole
// emperor with additions is one call of emperord.Main.
func ExampleLauncher() {
	poller, err := process.NewPoller()
	if err != nil {
		log.Fatal(err)
	}
	spawner := namespaces.NewSpawner()
	defer spawner.Close() // ends the vassals, too
	directory, err := monitor.NewDir("/etc/vassals", monitor.DirOptions{Log: slog.Default()})
	if err != nil {
		log.Fatal(err)
	}
	e := emperor.New(emperor.Options{
		Monitors: []monitor.Monitor{directory},
		Launcher: &process.Launcher{
			Programs: process.Programs{Vassal: "/usr/local/bin/vassal"}, Clone: namespaces.NewPID | namespaces.NewUTS | namespaces.NewMount,
			Environ: process.Environment{Own: os.Environ()}, Spawner: spawner, Poller: poller,
		},
		Concurrency: 4, Mercy: time.Minute, Backoff: emperor.Backoff{Initial: time.Second, Max: time.Minute, Reset: time.Minute},
		Log: slog.Default(),
	})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := e.Run(ctx); err != nil {
		log.Print(err)
	}
}
