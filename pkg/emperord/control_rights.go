package emperord

import (
	"os"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/pkg/config"
)

// controlGroups are the users with rights at the control socket, beside root and the emperor's own.
type controlGroups struct {
	command, read []uint32
	owners        bool // of files have rights, too
}

// resolveControlGroups finds the groups of the options.
func resolveControlGroups(o *config.Emperor) (g controlGroups, err error) {
	g.owners = o.Tyrant.On
	for _, option := range []struct {
		name  string
		group config.Identity
		ids   *[]uint32
	}{{"control-socket-group", o.ControlGroup, &g.command}, {"control-socket-read-group", o.ControlReadGroup, &g.read}} {
		if !option.group.Set {
			continue
		}
		id, err := accounts.GID(option.group)
		if err != nil {
			return g, o.Blame(option.name, err)
		}
		*option.ids = append(*option.ids, id)
	}
	return g, nil
}

// permit lets the clients of the options connect to the control socket. A socket has one group:
// with more clients than its members all users can connect, and the gate refuses the others.
func (s *sockets) permit() error {
	switch g := s.groups; {
	case s.claim == nil:
	case len(g.read) > 0, g.owners:
		return s.claim.Permit(0o666, os.Getegid())
	case len(g.command) > 0:
		return s.claim.Permit(0o660, int(g.command[0]))
	}
	return nil
}
