package vassal

import (
	"context"
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// files has the steps of the boot that make the view of the file system.
type files struct{ *vassal }

func (v files) prepare(_ context.Context, order *wire.Order) error {
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
			v.log.Warn("a file of the vassal's own cannot replace one that is not there (touch it on the host)", "file", m.Target)
			continue
		}
		if err != nil {
			return err
		}
	}
	return order.FileSystem.Apply()
}

// changeRoot makes the root directory of the order this process's, with the view of the order in it. Our own programs stay usable.
func (v files) changeRoot(_ context.Context, order *wire.Order) error {
	view := order.FileSystem
	if view.Root == nil {
		return nil
	}
	if err := v.programs.keep(); err != nil {
		return err
	}
	v.sockets.terminal.program, v.reader.parser = v.programs.helper, v.programs.helper
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
			v.log.Warn("a file of the vassal's own cannot replace one that is not there (touch it in the new root directory)", "file", m.Target)
		}
	}
	return nil
}
