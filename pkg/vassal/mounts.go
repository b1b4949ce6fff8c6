package vassal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// prepareMounts is the step that makes the view of the file system, unless the vassal gets another root directory.
func prepareMounts(log *slog.Logger) orderStep {
	return func(_ context.Context, order *wire.Order) error { return mountAll(order, log) }
}

func mountAll(order *wire.Order, log *slog.Logger) error {
	if err := settle(order); err != nil {
		return err
	}
	if order.Namespaces == "" {
		return nil
	}
	made, err := namespaces.ParseFlags(order.Namespaces)
	if err != nil {
		return err
	}
	if err := namespaces.PrepareMounts(made, order.Proc); err != nil || !made.Has(namespaces.NewMount) {
		return err
	}
	if order.FileSystem.Root != nil { // all this is for the new root directory
		return nil
	}
	for _, m := range order.Mounts {
		err := namespaces.Mount{Source: m.Source, Target: m.Target, Flags: unix.MS_BIND | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC}.Do()
		if _, missing := os.Stat(m.Target); errors.Is(missing, os.ErrNotExist) {
			log.Warn("a file of the vassal's own cannot replace one that is not there (touch it on the host)", "file", m.Target)
			continue
		}
		if err != nil {
			return err
		}
	}
	return order.FileSystem.Apply()
}

// changeRoot is the step that makes the root directory of the order this process's, with the view of the order in
// it. Our own programs stay usable.
func changeRoot(own *ownPrograms, sockets *listeners, log *slog.Logger) orderStep {
	return func(_ context.Context, order *wire.Order) error {
		if order.FileSystem.Root == nil {
			return nil
		}
		if err := own.keep(); err != nil {
			return err
		}
		sockets.terminal.program = own.helper
		return enterRoot(order, log)
	}
}

// settle ends a start in namespaces of another process: the working directory is not outside of the root directory, and this process ends with
// the emperor, which it could not find there. If the emperor has died before, its end of the pipe is closed.
func settle(order *wire.Order) error {
	if err := namespaces.LeaveHost(string(order.Dir)); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("cannot tie this process to the emperor: %w", err)
	}
	return nil
}

func enterRoot(order *wire.Order, log *slog.Logger) error {
	view := order.FileSystem
	made, err := namespaces.ParseFlags(order.Namespaces)
	if err != nil {
		return err
	}
	view.Places = slices.Clone(view.Places)
	for _, m := range order.Mounts {
		view.Places = append(view.Places, namespaces.Place{Kind: namespaces.BindReadOnly, Source: m.Source, Path: m.Target, Optional: true, Where: "the network"})
	}
	if err := view.Enter(made, order.Proc); err != nil {
		return err
	}
	for _, m := range order.Mounts {
		if _, err := os.Stat(m.Target); err != nil {
			log.Warn("a file of the vassal's own cannot replace one that is not there (touch it in the new root directory)", "file", m.Target)
		}
	}
	return nil
}
