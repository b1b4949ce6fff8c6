package vassal

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// setnsMode is the mode of a setns-socket: a client that may connect can enter the namespaces, if it has the rights for that.
const setnsMode fs.FileMode = 0o600

// gate gives out the namespaces of this process (setns-socket). It stays the same through all reloads.
type gate struct {
	opened []*os.File
	socket *sockets.Socket // nil: none
}

// open opens the namespaces, before the drop.
func (g *gate) open(_ context.Context, o *config.Vassal) (err error) {
	if o.Namespaces.Socket == "" {
		return nil
	}
	g.opened, err = namespaces.OpenGiven(o.Namespaces.Kept)
	return err
}

// bindGate makes the socket.
func (l *listeners) bindGate(_ context.Context, o *config.Vassal) error {
	at := o.Namespaces.Socket
	if at == "" {
		return nil
	}
	mode := setnsMode
	s, err := sockets.Listen("setns-socket", at, sockets.Options{Backlog: 16, Mode: &mode, UID: -1, GID: -1})
	if err != nil {
		return o.Blame("setns-socket", "", err)
	}
	l.gate.socket = s
	l.log.Info("listening", s.Name, s.Address)
	return nil
}

// serve answers clients until the process ends, on a thread of its own. A client cannot delay the others.
func (g *gate) serve(log *slog.Logger) {
	if g.socket == nil {
		return
	}
	// Its own descriptor: the number of a closed one can be another socket.
	listening, err := unix.FcntlInt(g.socket.FD(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		log.Error("setns-socket: no client can connect", "error", err)
		return
	}
	go func() {
		for {
			client, _, err := unix.Accept4(listening, unix.SOCK_CLOEXEC)
			switch {
			case errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNABORTED):
				continue
			case err != nil:
				log.Error("setns-socket: no client can connect any more", "error", err)
				return
			}
			if err := namespaces.GiveOut(client, g.opened); err != nil {
				log.Warn("setns-socket: cannot give out the namespaces", "error", err)
			}
			unix.Close(client)
		}
	}()
}

func (g *gate) close() {
	if g.socket != nil {
		closeAll([]*sockets.Socket{g.socket})
	}
}

// checkNamespaces fails when the vassal does not have a namespace that its options require: only an emperor makes them.
func (s *source) checkNamespaces(_ context.Context, o *config.Vassal) (err error) {
	var own namespaces.Flags
	if s.order != nil && s.order.Namespaces != "" {
		if own, err = namespaces.ParseFlags(s.order.Namespaces); err != nil {
			return err
		}
	}
	if p, ok := config.Shared(o, own); ok {
		return config.Problems{p}
	}
	if by := o.Namespaces.Elsewhere(); s.order == nil && by != "" {
		return o.Blame(by, "", errNoEmperor)
	}
	return nil
}

var errNoEmperor = errors.New("only an emperor starts a vassal in other namespaces")
