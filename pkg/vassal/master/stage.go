package master

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/hooks"
)

// StageName is the name under which the vassal program is started to become a
// worker: only the process itself can put its pid into LISTEN_PID, and the hooks
// of the post-fork phase run in the worker.
const StageName = "vassal-worker"

// stageOrder is what a stage is told, as its only argument.
type stageOrder struct {
	// Path, Args and Status are the program, its arguments with the name, and the
	// descriptor that tells the master.
	Path   string
	Args   []string
	Status int
	// Hooks are those of the post-fork phase, Timeout bounds each, and Shells run
	// their commands.
	Hooks   []hooks.Spec  `json:",omitempty"`
	Timeout time.Duration `json:",omitempty"`
	Shells  []string      `json:",omitempty"`
	// Held is a descriptor of the program that Path goes through; zero: none.
	Held int `json:",omitempty"`
}

// Stage becomes the worker that argv, [StageName, order], describes. It only
// returns if it cannot, and has told the master why.
func Stage(argv []string, log *slog.Logger) error {
	var o stageOrder
	if len(argv) != 2 || json.Unmarshal([]byte(argv[1]), &o) != nil {
		return fmt.Errorf("cannot start a worker: no order")
	}
	unix.CloseOnExec(o.Status)
	if o.Held > 0 {
		unix.CloseOnExec(o.Held)
	}
	err := o.become(log)
	_, _ = unix.Write(o.Status, []byte(err.Error()))
	return err
}

func (o *stageOrder) become(log *slog.Logger) error {
	if os.Getenv("LISTEN_FDS") != "" {
		if err := os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())); err != nil {
			return err
		}
	}
	if err := o.postFork(log); err != nil {
		return err
	}
	return fmt.Errorf("cannot run %q: %w", o.Args[0], syscall.Exec(o.Path, o.Args, os.Environ()))
}

func (o *stageOrder) postFork(log *slog.Logger) error {
	if len(o.Hooks) == 0 {
		return nil
	}
	list := make([]hooks.Hook, len(o.Hooks))
	for i, spec := range o.Hooks {
		var err error
		if list[i], err = hooks.Parse(spec); err != nil {
			return err
		}
	}
	run := hooks.Runner{Timeout: o.Timeout, Log: log, Own: true, Shells: o.Shells}
	run.Vars = os.Environ()
	return run.Run(context.Background(), hooks.PostFork, list)
}
