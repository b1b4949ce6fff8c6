package vassal

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/wire"
)

// bindShared makes the shared sockets and the sockets of routers, before privileges are
// dropped.
func (v *Vassal) bindShared(context.Context) error {
	o, err := v.socketOptions(v.options)
	if err != nil {
		return err
	}
	for i, address := range v.options.Listening.Shared {
		s, err := v.listenAt("shared-socket", address, o)
		if err != nil {
			return v.options.Blame("shared-socket", address, err)
		}
		v.shared = append(v.shared, s)
		v.Log.Info("listening", "shared-socket", address, "reference", "="+strconv.Itoa(i))
	}
	for _, early := range v.options.Early() {
		if slices.ContainsFunc(v.inherited, func(s *sockets.Socket) bool { return s.BoundTo(early.Address) }) {
			continue
		}
		s, err := v.listenAt(early.Name, early.Address, o)
		if err != nil {
			return v.options.Blame(early.Name, early.Address, err)
		}
		v.early = append(v.early, s)
	}
	return nil
}

// bind makes the sockets. Privileges are dropped by now, so a port below 1024 needs a shared
// socket, a capability or a sysctl, as in uWSGI. A socket of an on-demand emperor comes first,
// as descriptor 0 or by LISTEN_FDS.
func (v *Vassal) bind(context.Context) (err error) {
	defer v.letGo()
	v.warnOfQueue()
	v.sets, _, err = v.bindSets(v.options, [][]*sockets.Socket{slices.Concat(v.inherited, v.early)})
	for _, s := range distinct(v.sets) {
		if s.Front() == nil {
			v.Log.Info("listening", s.Name, s.Address)
		}
	}
	if err == nil {
		v.tellAddresses()
	}
	return err
}

// tellAddresses sends the emperor the addresses of a fallback configuration.
func (v *Vassal) tellAddresses() {
	if v.resumed != nil {
		v.orders.Post(wire.Notice{Kind: wire.Listening, Addresses: v.options.Addresses()})
	}
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
func (v *Vassal) warnOfQueue() {
	wanted := v.options.Listening.Backlog
	if wanted <= smallQueue || len(v.options.Sockets) == 0 {
		return
	}
	text, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		return
	}
	if most, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && most < wanted {
		v.Log.Warn("the kernel keeps the queue of a socket shorter (net.core.somaxconn)", "listen", wanted, "most", most)
	}
}

// bindSets makes the sockets of all workers: one set, or with reuse-port one for each, which
// share the sockets without a port. The built-in server before a command is one process and
// has the whole queue. bindSets takes over the sockets in have. On failure it closes the new
// ones.
func (v *Vassal) bindSets(o *config.Vassal, have [][]*sockets.Socket) (sets [][]*sockets.Socket, made []*sockets.Socket, err error) {
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
		set, more, err := v.bindAll(o, before)
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
func (v *Vassal) bindAll(o *config.Vassal, have []*sockets.Socket) (list, made []*sockets.Socket, err error) {
	how, err := v.socketOptions(o)
	if err != nil {
		return nil, nil, err
	}
	renamed := slices.DeleteFunc(slices.Clone(have), func(s *sockets.Socket) bool {
		return s.Front() != nil || slices.Contains(o.Sockets, config.Socket{Name: s.Name, Address: s.Address})
	})
	for _, wanted := range o.Sockets {
		s := take(have, wanted, list)
		if s == nil {
			if s, err = v.make(wanted, how, renamed); err != nil {
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
	inner, fresh, err := v.behind(o, list, have)
	made = append(made, fresh...)
	if err != nil {
		closeAll(made)
		return nil, nil, err
	}
	return append(list, inner...), made, nil
}

// take finds a socket with that name and address that is not taken yet. A socket from the
// emperor is recognized by its bound address.
func take(have []*sockets.Socket, wanted config.Socket, taken []*sockets.Socket) *sockets.Socket {
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
func (v *Vassal) make(wanted config.Socket, how sockets.Options, renamed []*sockets.Socket) (*sockets.Socket, error) {
	if n, ok := wanted.Shared(); ok {
		if n >= len(v.shared) {
			return nil, fmt.Errorf("cannot use shared socket %s: it must be bound before privileges are dropped (restart the vassal)", wanted.Address)
		}
		return v.shared[n].As(wanted.Name, wanted.Address)
	}
	for _, s := range renamed {
		if s.IsAt(wanted.Address) {
			return s.As(wanted.Name, wanted.Address)
		}
	}
	return v.listenAt(wanted.Name, wanted.Address, how)
}

// socketOptions resolves the owner of unix sockets in the vassal's user database, now.
func (v *Vassal) socketOptions(o *config.Vassal) (how sockets.Options, err error) {
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

// onDemand is the address of a socket that came from the emperor.
const onDemand = "(from the emperor)"

// inherit finds the sockets that the parent of this process passes to it: by LISTEN_FDS
// (sd_listen_fds(3)), or as standard input, where uWSGI's Emperor puts the socket of an
// on-demand vassal.
func (v *Vassal) inherit(context.Context) error {
	count, pid, names := os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDNAMES")
	for _, key := range []string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(key)
	}
	if n, err := strconv.Atoi(count); err == nil && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		return v.adopt(n, strings.Split(names, ":"))
	}
	// The emperor does not know this process's name for a socket.
	if on, err := unix.GetsockoptInt(0, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && on == 1 {
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return fmt.Errorf("cannot use the socket on standard input: %w", err)
		}
		if err := v.adoptOne(fd, "socket"); err != nil {
			return err
		}
		return nullStdin()
	}
	return nil
}

func (v *Vassal) adopt(n int, names []string) error {
	if n < 0 || n > 1024 {
		return fmt.Errorf("cannot use LISTEN_FDS=%d", n)
	}
	for i := range n {
		name := "socket"
		if i < len(names) && names[i] != "" && names[i] != "unknown" {
			name = names[i]
		}
		if err := v.adoptOne(3+i, name); err != nil {
			return err
		}
	}
	return nil
}

func (v *Vassal) adoptOne(fd int, name string) error {
	s, err := sockets.Adopt(name, onDemand, fd)
	if err == nil {
		v.inherited = append(v.inherited, s)
	}
	return err
}

// nullStdin replaces the socket on standard input, so that no child inherits it.
func nullStdin() error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	return unix.Dup3(int(null.Fd()), 0, 0)
}

// closeSockets closes the bound sockets and removes paths that are still ours. Unlike in uWSGI
// this does not depend on vacuum, because a dead socket is only an obstacle.
func (v *Vassal) closeSockets() {
	closeAll(distinct(append(v.sets, v.shared, v.early)))
	if v.terminal != nil {
		closeAll([]*sockets.Socket{v.terminal})
	}
}
