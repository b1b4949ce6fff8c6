package control

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Gate admits the clients that may command the emperor: root and the emperor's own user, in
// the user namespace of the emperor and outside its vassals. It refuses a client that it
// cannot inspect.
type Gate struct {
	// Confines reports whether a process belongs to a vassal. Required.
	Confines func(*namespaces.Caller) (bool, error)
	// Log gets refusals, one a second at most. Required.
	Log *slog.Logger

	mu   sync.Mutex
	next time.Time // when the next refusal is logged
	more int       // refusals since the last logged one
}

var (
	errUser    = errors.New("only root and the emperor's own user are answered")
	errForeign = errors.New("a process in another user namespace than the emperor's is not answered")
	errVassal  = errors.New("a process of a vassal is not answered")
)

// Admit returns the reason of a refusal, or nil, and closes c. err is the error when there is
// no c.
func (g *Gate) Admit(c *namespaces.Caller, err error) error {
	if err != nil {
		return g.refuse(err, "uid", -1)
	}
	defer c.Close()
	if err := g.judge(c); err != nil {
		return g.refuse(err, "uid", c.UID, "pid", c.PID)
	}
	return nil
}

func (g *Gate) judge(c *namespaces.Caller) error {
	if c.UID != 0 && c.UID != os.Geteuid() {
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

// admit is Admit for the process that connected c.
func (g *Gate) admit(c net.Conn) error {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return g.Admit(nil, errors.New("it is not a unix socket"))
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return g.Admit(nil, err)
	}
	var caller *namespaces.Caller
	control := raw.Control(func(fd uintptr) { caller, err = namespaces.CallerOf(int(fd)) })
	return g.Admit(caller, errors.Join(control, err))
}
