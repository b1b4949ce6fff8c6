package vassal

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
)

// listeners are the listening sockets of a vassal, in the order in which they come. They belong
// to the master and outlive workers and reloads.
type listeners struct {
	log       *slog.Logger
	inherited []*sockets.Socket   // from the parent of this process
	kept      []*sockets.Socket   // of the generation before, until all sockets are bound
	unbound   []int               // unix sockets of the emperor without an address, until all sockets are bound
	shared    []*sockets.Socket   // bound before the drop of privileges; =N refers to one
	routers   []*sockets.Socket   // also bound before the drop
	sets      [][]*sockets.Socket // in effect, each in the order of LISTEN_FDS: one for all workers, or one for each
	held      []*sockets.Socket   // copies of the inherited ones for the next program of this process

	terminal terminalSocket
	gate     gate
}

// bindShared makes the shared sockets and the sockets of routers, before privileges are
// dropped.
func (l *listeners) bindShared(_ context.Context, o *config.Vassal) error {
	how, err := socketOptions(o)
	if err != nil {
		return err
	}
	for i, address := range o.Listening.Shared {
		s, err := l.listenAt("shared-socket", address, how)
		if err != nil {
			return o.Blame("shared-socket", address, err)
		}
		l.shared = append(l.shared, s)
		l.log.Info("listening", "shared-socket", address, "reference", "="+strconv.Itoa(i))
	}
	for _, early := range o.Early() {
		if slices.ContainsFunc(l.inherited, func(s *sockets.Socket) bool { return s.BoundTo(early.Address) }) {
			continue
		}
		s, err := l.listenAt(early.Name, early.Address, how)
		if err != nil {
			return o.Blame(early.Name, early.Address, err)
		}
		l.routers = append(l.routers, s)
	}
	return nil
}

// bind makes the sockets. Privileges are dropped by now, so a port below 1024 needs a shared
// socket, a capability or a sysctl, as in uWSGI. A socket of an on-demand emperor comes first,
// as descriptor 0 or by LISTEN_FDS.
func (l *listeners) bind(o *config.Vassal) (err error) {
	defer l.giveUpPassed()
	warnOfQueue(l.log, o)
	l.sets, _, err = l.bindSets(o, [][]*sockets.Socket{slices.Concat(l.inherited, l.routers)})
	for _, s := range distinct(l.sets) {
		if s.Front() == nil {
			l.log.Info("listening", s.Name, s.Address)
		}
	}
	return err
}

// distinct returns the sockets of all sets, each once.
func distinct(sets [][]*sockets.Socket) (list []*sockets.Socket) {
	for _, s := range slices.Concat(sets...) {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// smallQueue is a length that every kernel permits.
const smallQueue = 128

// warnOfQueue warns when the kernel keeps accept queues shorter than requested (listen(2)).
// uWSGI does not start then.
func warnOfQueue(log *slog.Logger, o *config.Vassal) {
	wanted := o.Listening.Backlog
	if wanted <= smallQueue || len(o.Sockets) == 0 {
		return
	}
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		return
	}
	if most, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && most < wanted {
		log.Warn("the kernel keeps the queue of a socket shorter (net.core.somaxconn)", "listen", wanted, "most", most)
	}
}

// bindSets makes the sockets of all workers: one set, or with reuse-port one for each, which
// share the sockets without a port. The built-in server before a command is one process and
// has the whole queue. bindSets takes over the sockets in have. On failure it closes the new
// ones.
func (l *listeners) bindSets(o *config.Vassal, have [][]*sockets.Socket) (sets [][]*sockets.Socket, made []*sockets.Socket, err error) {
	n := 1
	if o.Listening.ReusePort && !o.Fronted() {
		n = o.Workers.Processes
	}
	for i := range n {
		var before []*sockets.Socket
		if i < len(have) {
			before = have[i]
		}
		if i > 0 {
			before = slices.Concat(before, slices.DeleteFunc(slices.Clone(sets[0]), (*sockets.Socket).IsPort))
		}
		set, more, err := l.bindAll(o, before)
		if err != nil {
			closeAll(made)
			return nil, nil, err
		}
		sets, made = append(sets, set), append(made, more...)
	}
	return sets, made, nil
}

// bindAll makes the sockets that o requests, and takes over the ones that are in have already.
// On failure it closes the new ones.
func (l *listeners) bindAll(o *config.Vassal, have []*sockets.Socket) (list, made []*sockets.Socket, err error) {
	how, err := socketOptions(o)
	if err != nil {
		return nil, nil, err
	}
	renamed := slices.DeleteFunc(slices.Clone(have), func(s *sockets.Socket) bool {
		return s.Front() != nil || slices.Contains(o.Sockets, config.Socket{Name: s.Name, Address: s.Address})
	})
	for _, wanted := range o.Sockets {
		s := findSocket(have, wanted, list)
		if s == nil {
			if s, err = l.make(wanted, how, renamed); err != nil {
				closeAll(made)
				return nil, nil, o.Blame(wanted.Name, wanted.Address, err)
			}
			made = append(made, s)
		}
		list = append(list, s)
	}
	for _, s := range have { // from the emperor: not named in the file
		if s.Address == onDemand && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	inner, fresh, err := behind(o, list, have)
	made = append(made, fresh...)
	if err != nil {
		closeAll(made)
		return nil, nil, err
	}
	return append(list, inner...), made, nil
}

// findSocket returns the socket with that name and address that is not taken yet; nil: there is
// none. A socket from the emperor is recognized by its bound address, and gets the name and the
// address of the configuration.
func findSocket(have []*sockets.Socket, wanted config.Socket, taken []*sockets.Socket) *sockets.Socket {
	for _, s := range have {
		if slices.Contains(taken, s) {
			continue
		}
		if s.Address == onDemand && s.BoundTo(wanted.Address) {
			s.Name, s.Address = wanted.Name, wanted.Address
		}
		if s.Name == wanted.Name && s.Address == wanted.Address {
			return s
		}
	}
	return nil
}

// make makes a socket. A socket with the same address under another name is shared, since the
// address cannot be bound twice: its queue continues with another protocol.
func (l *listeners) make(wanted config.Socket, how sockets.Options, renamed []*sockets.Socket) (*sockets.Socket, error) {
	if n, ok := wanted.Shared(); ok {
		if n >= len(l.shared) {
			return nil, fmt.Errorf("cannot use shared socket %s: it must be bound before privileges are dropped (restart the vassal)", wanted.Address)
		}
		return l.shared[n].As(wanted.Name, wanted.Address)
	}
	for _, s := range renamed {
		if s.IsAt(wanted.Address) {
			return s.As(wanted.Name, wanted.Address)
		}
	}
	return l.listenAt(wanted.Name, wanted.Address, how)
}

// socketOptions resolves the owner of unix sockets in the vassal's user database, now.
func socketOptions(o *config.Vassal) (how sockets.Options, err error) {
	l := o.Listening
	how = sockets.Options{
		Backlog: l.Backlog, KeepAlive: l.KeepAlive, NoDelay: l.NoDelay, FreeBind: l.FreeBind, ReusePort: l.ReusePort, UID: -1, GID: -1,
	}
	for _, s := range o.Sockets {
		how.Beside = append(how.Beside, s.Address)
	}
	how.Beside = append(how.Beside, l.Shared...)
	if l.ModeSet {
		how.Mode = &l.Mode
	}
	if l.Owner.Set {
		id, err := accounts.UID(l.Owner)
		if err != nil {
			return how, o.Blame("chown-socket", "", fmt.Errorf("cannot choose the owner of sockets: %w", err))
		}
		how.UID = int(id)
	}
	if l.Group.Set {
		id, err := accounts.GID(l.Group)
		if err != nil {
			return how, o.Blame("chown-socket", "", fmt.Errorf("cannot choose the group of sockets: %w", err))
		}
		how.GID = int(id)
	}
	return how, nil
}

// replace puts the sockets of a reload into effect and closes the ones that it gave up.
func (l *listeners) replace(sets [][]*sockets.Socket) {
	before, kept := distinct(l.sets), distinct(sets)
	for _, s := range before {
		if !slices.Contains(kept, s) {
			if s.Front() == nil {
				l.log.Info("not listening any more", s.Name, s.Address)
			}
			l.transfer(s, kept)
			s.Remove()
			s.Close()
		}
	}
	for _, s := range kept {
		if !slices.Contains(before, s) && s.Front() == nil {
			l.log.Info("listening", s.Name, s.Address)
		}
	}
	l.sets = sets
}

// transfer makes the socket of a reload that has the address of s by now, if there is one, the
// owner of its path, and the inherited one in its place.
func (l *listeners) transfer(s *sockets.Socket, to []*sockets.Socket) {
	i := slices.IndexFunc(to, func(heir *sockets.Socket) bool { return s.IsAt(heir.Address) })
	if i < 0 {
		return
	}
	to[i].Inherit(s)
	if at := slices.Index(l.inherited, s); at >= 0 {
		l.inherited[at] = to[i]
	}
}

// close closes the bound sockets and removes paths that are still ours. Unlike in uWSGI this
// does not depend on vacuum, because a dead socket is only an obstacle. held: the next process of the vassal
// goes on with them, and their paths stay.
func (l *listeners) close(held bool) {
	for _, s := range distinct(append(l.sets, l.shared, l.routers)) {
		if !held {
			s.Remove()
		}
		s.Close()
	}
	l.terminal.close()
	l.gate.close()
}

// release closes the descriptors and leaves the paths: another process has the sockets.
func (l *listeners) release() {
	for _, s := range distinct(append(l.sets, l.shared, l.inherited)) {
		s.Close()
	}
}

func closeAll(list []*sockets.Socket) {
	for _, s := range list {
		s.Remove()
		s.Close()
	}
}
