package control

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Gate admits the clients that may ask the emperor, in the user namespace of the emperor and
// outside its vassals: root, the emperor's own user, and the users and groups in its fields. It refuses a client
// that it cannot inspect.
type Gate struct {
	// Confines reports whether a process belongs to a vassal. Required.
	Confines func(*namespaces.Caller) (bool, error)
	// Log gets refusals, one a second at most. Required.
	Log *slog.Logger
	// Groups are the groups whose members may command the emperor, ReadGroups those whose
	// members see all vassals.
	Groups, ReadGroups []uint32
	// Owners: each user operates the vassals whose files are its own.
	Owners bool

	mu   sync.Mutex
	next time.Time // when the next refusal is logged
	more int       // refusals since the last logged one
}

var (
	errUser    = errors.New("only root and the emperor's own user are answered")
	errMember  = errors.New("only root, the emperor's own user and members of its groups are answered (control-socket-group, control-socket-read-group)")
	errCommand = errors.New("only root, the emperor's own user and members of its group command the emperor (control-socket-group)")
	errForeign = errors.New("a process in another user namespace than the emperor's is not answered")
	errVassal  = errors.New("a process of a vassal is not answered")
)

// Admit returns the reason of a refusal to command the emperor, or nil, and closes c. err is
// the error when there is no c.
func (g *Gate) Admit(c *namespaces.Caller, err error) error {
	rights, err := g.know(c, err)
	if err == nil && rights.All < Govern {
		return g.refuse(errCommand, "uid", rights.UID)
	}
	return err
}

// know returns the rights of a client, or the reason of a refusal, and closes c.
func (g *Gate) know(c *namespaces.Caller, err error) (Rights, error) {
	if err != nil {
		return Rights{}, g.refuse(err, "uid", -1)
	}
	defer c.Close()
	rights := g.rights(c)
	if err := g.judge(c, rights); err != nil {
		return Rights{}, g.refuse(err, "uid", c.UID, "pid", c.PID)
	}
	return rights, nil
}

// rights returns the rights of a process on the host.
func (g *Gate) rights(c *namespaces.Caller) Rights {
	member := func(of []uint32) bool {
		return slices.ContainsFunc(of, func(gid uint32) bool { return slices.Contains(c.Groups, gid) })
	}
	rights := Rights{UID: c.UID, Own: g.Owners}
	switch {
	case c.UID == 0, c.UID == os.Geteuid(), member(g.Groups):
		rights.All = Govern
	case member(g.ReadGroups):
		rights.All = Read
	}
	return rights
}

func (g *Gate) judge(c *namespaces.Caller, rights Rights) error {
	switch {
	case rights.All > Nothing, rights.Own:
	case len(g.Groups)+len(g.ReadGroups) > 0:
		return errMember
	default:
		return errUser
	}
	ours, err := c.Shares(namespaces.NewUser)
	switch {
	case errors.Is(err, os.ErrPermission) && c.UID == 0 && os.Geteuid() != 0 && namespaces.Powerless():
		return nil // root of the host: no vassal of such an emperor can be root
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w (ask as user %d in the emperor's user namespace)", err, os.Geteuid())
	}
	if err == nil && !ours {
		err = errForeign
	}
	if err != nil {
		return err
	}
	confined, err := g.Confines(c)
	if err == nil && confined {
		err = errVassal
	}
	return err
}

// refuse logs a refusal, or counts it.
func (g *Gate) refuse(err error, attrs ...any) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Before(g.next) {
		g.more++
		return err
	}
	g.next = now.Add(time.Second)
	if g.more > 0 {
		attrs = append(attrs, "more", g.more)
		g.more = 0
	}
	g.Log.Warn("control: refused", append(attrs, "error", err)...)
	return err
}

// admit returns the rights of the client that connected c, or the reason of a refusal.
func (g *Gate) admit(c net.Conn) (Rights, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return g.know(nil, errors.New("it is not a unix socket"))
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return g.know(nil, err)
	}
	var caller *namespaces.Caller
	control := raw.Control(func(fd uintptr) { caller, err = namespaces.CallerOf(int(fd)) })
	return g.know(caller, errors.Join(control, err))
}
