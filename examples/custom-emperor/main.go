// Command custom-emperor is an emperor with a hook in Go, built from the packages of this
// repository. Start it as `custom-emperor --call-as-emperor greet DIR`, with the vassal
// program in PATH.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

func main() {
	hooks.Register("greet", func(_ context.Context, env hooks.Env) error { // before the options are read
		env.Log("a warm welcome to " + env.Name)
		return nil
	})
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // the process survives the end of its log reader (os/signal)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx); err != nil {
		slog.Error("custom-emperor", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	options, _, err := config.ParseEmperor(os.Args[1:])
	if err != nil {
		return err
	}
	vassal, err := exec.LookPath("vassal")
	if err != nil {
		return err
	}
	dir, err := monitor.NewDir(options.Monitors[0], monitor.DirOptions{Extensions: config.Extensions(), Log: slog.Default()})
	if err != nil {
		return err
	}
	spawner := namespaces.NewSpawner()
	defer spawner.Close()
	ears, err := emperor.NewEars()
	if err != nil {
		return err
	}
	defer ears.Close()
	return emperor.New(emperor.Options{
		Monitors: []monitor.Monitor{dir},
		Launcher: &emperor.System{
			Program: vassal, Clone: options.Clone, Hooks: options.Hooks, Environ: os.Environ(), Spawner: spawner, Ears: ears,
		},
		Backoff:     emperor.Backoff{Initial: time.Second, Max: time.Minute},
		Mercy:       10 * time.Second,
		Concurrency: 4,
		Log:         slog.Default(),
	}).Run(ctx)
}
