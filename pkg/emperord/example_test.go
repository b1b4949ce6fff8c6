package emperord_test

import (
	"context"
	"log/slog"
	"os"

	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/emperord"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// The main function of an emperor with a hook in Go, and with vassals from names such as
// env://VARIABLE.
func ExampleMain() {
	hooks.Register("greet", func(_ context.Context, env hooks.Env) error {
		env.Log("welcome, " + env.Name)
		return nil
	})
	emperord.Main(emperord.Additions{
		Monitors: map[string]func(string, *slog.Logger) (monitor.Monitor, error){
			"env": func(name string, _ *slog.Logger) (monitor.Monitor, error) {
				return monitor.NewStatic(name, monitor.Text("env.ini", os.Getenv(name[len("env://"):]))), nil
			},
		},
	})
}
