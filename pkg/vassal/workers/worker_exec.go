package workers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/internal/listenfds"
	"github.com/emperor-go/emperor/internal/memfd"
	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// StageName is the program name of the worker stage: the vassal program that becomes a worker.
// Only the process itself knows its pid for LISTEN_PID, and the hooks of the post-fork phase run
// in the worker.
const StageName = "vassal-worker"

// stageOrder is the input of a stage. It is in a memfd, whose number is the only argument,
// because an argument cannot be longer than 128 KiB (execve(2)).
type stageOrder struct {
	// Path and Args are the program and its arguments, with the name. Status is a descriptor to
	// which the stage writes an error for the master; zero: none.
	Path   string
	Args   []string
	Status int
	// Hooks are the hooks of the post-fork phase. Timeout limits each hook. Shells run commands
	// of hooks. Helper is the path of vassal-helper.
	Hooks   []hooks.Spec  `json:",omitempty"`
	Timeout time.Duration `json:",omitempty"`
	Shells  []string      `json:",omitempty"`
	Helper  string        `json:",omitempty"`
	// Libraries are the C libraries for the hooks.
	Libraries hooks.Libraries `json:",omitzero"`
	// Limits of the program.
	Limits config.Limits `json:",omitzero"`
	// Descriptors; zero: none. Path leads through Held, and Helper through HelperHeld. Notices is the channel that reports hooks
	// to the emperor. StartupError belongs to the built-in server; a program of a hook must not
	// keep it open.
	Held         int `json:",omitempty"`
	HelperHeld   int `json:",omitempty"`
	Notices      int `json:",omitempty"`
	StartupError int `json:"Excuse,omitempty"`
}

// memfd returns a file in memory with the order.
func (o *stageOrder) memfd() (*os.File, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	return memfd.File("stage", text)
}

// readStageOrder reads the order that memfd has written. number is a descriptor of this process.
func readStageOrder(number string) (o stageOrder, err error) {
	fd, err := strconv.Atoi(number)
	if err != nil {
		return o, err
	}
	f := os.NewFile(uintptr(fd), "stage")
	if f == nil {
		return o, unix.EBADF
	}
	defer f.Close()
	return o, json.NewDecoder(io.NewSectionReader(f, 0, math.MaxInt64)).Decode(&o)
}

// Stage executes the program of a worker in place of this process. argv is [StageName,
// DESCRIPTOR]. printed blocks until all lines of log are written. Stage returns only on failure,
// after it has reported the error to the master.
func Stage(argv []string, log *slog.Logger, printed func()) error {
	if len(argv) != 2 {
		return fmt.Errorf("cannot start a worker: no order")
	}
	o, err := readStageOrder(argv[1])
	if err != nil {
		return fmt.Errorf("cannot start a worker: no order: %w", err)
	}
	for _, fd := range []int{o.Status, o.Held, o.HelperHeld, o.Notices, o.StartupError} {
		if fd > 0 {
			unix.CloseOnExec(fd)
		}
	}
	err = o.become(log, printed)
	if o.Status > 0 {
		_, _ = unix.Write(o.Status, []byte(err.Error()))
	}
	return err
}

func (o *stageOrder) become(log *slog.Logger, printed func()) error {
	if err := listenfds.ForThisProcess(); err != nil {
		return err
	}
	if err := o.postFork(log); err != nil {
		return err
	}
	if o.StartupError > 0 {
		if _, err := unix.FcntlInt(uintptr(o.StartupError), unix.F_SETFD, 0); err != nil {
			return err
		}
	}
	printed()
	env := os.Environ()
	if o.StartupError == 0 { // this is not the built-in server
		env = termlog.Without(env)
	}
	if err := o.Limits.Apply(); err != nil {
		return err
	}
	err := syscall.Exec(o.Path, o.Args, env)
	return fmt.Errorf("cannot run %q: %w", o.Args[0], programs.Explain(o.Path, os.Getenv("PATH"), err))
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
	if err := o.Libraries.Load(func(error) {}); err != nil { // the boot has warned already
		return err
	}
	run := hooks.Runner{Timeout: o.Timeout, Log: log, Own: true, Shells: o.Shells, Lookup: assist.Through(o.Helper).Lookup}
	run.Vars, run.Through = os.Environ(), Limiter("/proc/self/exe", o.Limits)
	if o.Notices > 0 {
		emperor := wire.NewVassalEnd(o.Notices)
		run.Observe = func(r hooks.Result) { emperor.Post(HookNotice(r)) }
		defer emperor.Flush(noticeTimeout)
	}
	return run.Run(context.Background(), hooks.PostFork, list)
}

// Limiter returns the function by which programs of hooks get limits: the worker stage at path self sets them, because
// the process that runs the hooks could not go on under them. Nil: there are no limits.
func Limiter(self string, l config.Limits) hooks.Through {
	if l.None() {
		return nil
	}
	return func(path string, argv []string) (string, []string, *os.File, error) {
		order := stageOrder{Path: path, Args: argv, Limits: l}
		text, err := order.memfd()
		return self, []string{StageName, "3"}, text, err
	}
}

// noticeTimeout limits the wait of a worker until the emperor has received the results of its
// hooks.
const noticeTimeout = 100 * time.Millisecond

// HookNotice returns the notice about a finished hook.
func HookNotice(r hooks.Result) wire.Notice {
	return wire.Notice{Kind: wire.HookEnded, Hooks: []hooks.Result{r}}
}
