package directboot

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/goprocs"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/config/serving"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces/bootlist"
	"github.com/emperor-go/emperor/pkg/wire"
)

// server is the built-in server as the only process of a vassal.
type server struct {
	options serving.Options
	sole    serving.Sole // without ids
}

// maxOptions limits the options of a server in its environment (MAX_ARG_STRLEN of execve(2) is twice as
// long, and a list has 128 KiB).
const maxOptions = 32 << 10

// serverOf returns the server of a vassal. Nil: it has another program.
func serverOf(v *config.Vassal, l listening) *server {
	if !config.Sole(v) {
		return nil
	}
	s := &server{options: v.Server, sole: serving.Sole{
		Mercy: v.ReloadMercy, Ready: v.Ready.Timeout, Backlog: l.Backlog, KeepAlive: l.KeepAlive, NoDelay: l.NoDelay, FreeBind: l.FreeBind, Mode: -1,
	}}
	if l.ModeSet {
		s.sole.Mode = int(l.Mode)
	}
	for i, socket := range l.list {
		s.sole.Sockets = append(s.sole.Sockets, serving.Bound{Name: socket.Name, Address: socket.Address, Place: l.places[i]})
	}
	return s
}

// written returns the options in their written form, with the ids of this host.
func (b *Boot) written() ([]byte, error) {
	how, err := b.listening.options()
	if err != nil {
		return nil, err
	}
	sole := b.server.sole
	sole.UID, sole.GID = how.UID, how.GID
	text, err := b.server.options.WithSole(sole)
	if err == nil && len(text) > maxOptions {
		err = errUnsuited
	}
	return text, err
}

// Server implements emperor.DirectBoot. The process takes over the options of the server and its sockets.
func (b *Boot) Server(from emperor.DirectBoot) []byte {
	before, ok := from.(*Boot)
	if !ok || b.server == nil || before.server == nil || !b.like(before) {
		return nil
	}
	text, err := b.written()
	if err != nil {
		return nil
	}
	return text
}

// like reports whether two boots differ in the options of a server and its sockets at most, and in
// variables that it does not read.
func (b *Boot) like(o *Boot) bool {
	parts := func(b *Boot) []any {
		read := slices.DeleteFunc(slices.Clone(b.env), func(e config.EnvChange) bool { return !isRead(e.Key) })
		return []any{b.wish, b.keep, b.cwd, append(read, config.EnvChange{}), b.chdir, b.umask, b.hardening, b.listening.Listening}
	}
	return reflect.DeepEqual(parts(b), parts(o))
}

// isRead reports whether a variable has an effect on a Go program: the runtime and the packages time and
// crypto/x509 read some.
func isRead(key string) bool {
	return key == "TZ" || key == "ZONEINFO" || strings.HasPrefix(key, "GO") || strings.HasPrefix(key, "SSL_CERT_")
}

// serve adds the server, which is the last step.
func (b *Boot) serve(l *bootlist.List, r emperor.DirectRequest, env []string) error {
	text, err := b.written()
	if err != nil {
		return err
	}
	l.Keep(r.Pipe)
	l.Keep(r.Orders)
	env = append(env, wire.PipeEnv+"="+strconv.Itoa(r.Pipe), wire.OrderEnv+"="+strconv.Itoa(r.Orders))
	env = append(goprocs.Idle(env), termlog.MarksEnv+"=1", serving.SoleVariable(text))
	l.Heed(r.Pipe)
	failed := func(err error) error { return fmt.Errorf("cannot run %q: %w", r.Server.Name(), err) }
	l.ExecOpen(len(l.Files)-1, []string{vassalName, "--ini", r.Name}, env, failed)
	return nil
}

// vassalName is the name of a vassal's first process in process lists, whatever program it is.
const vassalName = "vassal"
