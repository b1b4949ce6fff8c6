// Package remains lists and removes the network that a killed emperor has left, by the records in its runtime directory. The
// caller has the lock of the directory.
package remains

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/emperor-go/emperor/internal/cni"
	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/network"
)

// List names all that is left: the links, and others.
func List(runtimeDir string) (links, others []string, err error) {
	links, others, err = network.Left(filepath.Join(runtimeDir, control.NetworkName))
	if err != nil {
		return nil, nil, err
	}
	attachments, err := cni.Left(filepath.Join(runtimeDir, control.CNIName))
	for _, a := range attachments {
		others = append(others, "attachment to the CNI network "+a)
	}
	return links, others, err
}

// Leases names the addresses that an emperor has left for the vassals of the next one when it stopped. Remove removes them.
func Leases(runtimeDir string) []string {
	return network.Kept(filepath.Join(runtimeDir, control.NetworkName))
}

// Lost names the networks of killed emperors whose runtime directories are lost, and removes them unless it is a dry run. The
// network with records in runtimeDir is none of them.
func Lost(runtimeDir string, dry bool) (pools []string, err error) {
	if pools, err = network.Lost(filepath.Join(runtimeDir, control.NetworkName)); err != nil || dry || len(pools) == 0 {
		return pools, err
	}
	return pools, network.CollectLost(slog.New(slog.DiscardHandler))
}

// Remove removes all of it, with the records.
func Remove(ctx context.Context, runtimeDir string, log *slog.Logger) error {
	return errors.Join(
		network.Collect(filepath.Join(runtimeDir, control.NetworkName), log),
		cni.Collect(ctx, filepath.Join(runtimeDir, control.CNIName), log),
		os.RemoveAll(filepath.Join(runtimeDir, control.NamesName)),
	)
}
