package emperord

import (
	"context"
	"path/filepath"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/dns"
	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/network"
)

// openNames lets vassals resolve names.
func (g *gathered) openNames() error {
	stage := g.connections.stage
	path, err := libexec.Find(dns.ProgramName)
	if err != nil {
		return err
	}
	program, err := libexec.Hold(path)
	if err != nil {
		return err
	}
	g.undo = append(g.undo, program.Close)
	names, err := dns.Open(dns.Config{
		Mode: g.input.options.Network.DNS, Dir: g.namesDir(), Program: program.At,
		Setup:   dns.Setup{Gateways: stage.Gateways(), Pool: stage.Prefixes(), Between: g.input.options.Network.Between, UID: dns.User, GID: dns.User},
		Private: g.input.options.Clone.Has(namespaces.NewMount), Own: network.HostAddresses, Answering: stage.AnswerNames, Log: g.input.log,
	})
	if err != nil {
		return err
	}
	g.connections.names = names
	g.undo = append(g.undo, func() {
		if err := names.Close(); err != nil {
			g.input.log.Error("cannot remove the resolver files of vassals", "error", err)
		}
	})
	return nil
}

// namesDir is where the resolver files of vassals are. It is not in the network's directory, which
// only the emperor's user may enter.
func (g *gathered) namesDir() string { return filepath.Join(g.sockets.claim.Dir, control.NamesName) }

// watchNames follows the nameservers of the host until ctx ends.
func (g *gathered) watchNames(ctx context.Context) {
	if g.connections != nil {
		g.connections.names.Watch(ctx)
	}
}
