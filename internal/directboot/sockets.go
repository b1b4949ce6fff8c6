package directboot

import (
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/listenfds"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/namespaces/bootlist"
)

const (
	// mostSockets leaves numbers for the other descriptors of a list.
	mostSockets = 8
	// longQueue is a queue that the kernel may shorten, of which the vassal program warns.
	longQueue = 128
	firstFD   = 3 // of the sockets (sd_listen_fds(3))
)

// listening are the sockets of a configuration.
type listening struct {
	config.Listening
	list   []config.Socket
	places []string // of each, for messages
}

// listeningOf returns the sockets of a configuration. ok is false when they need the vassal program.
func listeningOf(v *config.Vassal) (l listening, ok bool) {
	l = listening{Listening: v.Listening, list: v.Sockets}
	if len(l.list) == 0 {
		return l, true
	}
	if len(l.list) > mostSockets || l.Backlog > longQueue || l.Mode&^fs.ModePerm != 0 {
		return l, false
	}
	for _, s := range l.list {
		if _, shared := s.Shared(); shared || !plain(s.Address) {
			return l, false
		}
		l.places = append(l.places, strings.TrimSuffix(v.Blame(s.Name, s.Address, errHere).Error(), errHere.Error()))
	}
	return l, true
}

// plain reports whether an address means the same everywhere: it is the path or the name of a unix
// socket, or has a number as its host.
func plain(text string) bool {
	a, err := address.Parse(text)
	switch {
	case err != nil, strings.Contains(text, "://"):
		return false
	case a.Path != "", a.Host == "", a.Host == "*":
		return true
	}
	ip, err := netip.ParseAddr(a.Host)
	return err == nil && ip.Zone() == ""
}

// Listening implements emperor.DirectBoot.
func (b *Boot) Listening() (list [][2]string) {
	for _, s := range b.listening.list {
		list = append(list, [2]string{s.Name, s.Address})
	}
	return list
}

// arrange makes room for the sockets in front of the channels to the emperor.
func (l listening) arrange(r emperor.DirectRequest, g given) emperor.DirectRequest {
	if n := len(l.list); n > 0 {
		room := slices.Repeat(r.Files[:1], n)
		for i, f := range g.files {
			if f != nil {
				room[i] = f
			}
		}
		r.Files = slices.Insert(slices.Clone(r.Files), firstFD, room...)
		r.Pipe, r.Orders = r.Pipe+n, r.Orders+n
	}
	return r
}

// add adds the sockets to a boot, and returns the variables that describe them to the program.
func (l listening) add(b *bootlist.List, made namespaces.Flags, g given) ([]string, error) {
	if len(l.list) == 0 {
		return nil, nil
	}
	if !made.Has(namespaces.NewPID) {
		return nil, errUnsuited // the list does not know the pid
	}
	how, err := l.options()
	if err != nil {
		return nil, err
	}
	var names []string
	b.Step("bind sockets")
	for i, s := range l.list {
		made := l.socket(i, how)
		made.From = g.from[i]
		if err := b.Listen(made); err != nil {
			return nil, err
		}
		names = append(names, s.Name)
	}
	return listenfds.Variables(names, 1), nil
}

// options returns the options of all sockets.
func (l listening) options() (how address.Options, err error) {
	how = address.Options{Backlog: l.Backlog, KeepAlive: l.KeepAlive, NoDelay: l.NoDelay, FreeBind: l.FreeBind, UID: -1, GID: -1}
	for _, s := range l.list {
		how.Beside = append(how.Beside, s.Address)
	}
	if l.ModeSet {
		how.Mode = &l.Mode
	}
	for _, x := range []struct {
		of      config.Identity
		id      *int
		resolve func(config.Identity) (uint32, error)
	}{{l.Owner, &how.UID, accounts.UID}, {l.Group, &how.GID, accounts.GID}} {
		if !x.of.Set {
			continue
		}
		id, err := x.resolve(x.of)
		if err != nil {
			return how, err // the vassal program tells it
		}
		*x.id = int(id)
	}
	return how, nil
}

// socket returns a socket of the list.
func (l listening) socket(i int, how address.Options) bootlist.Socket {
	s := l.list[i]
	to, _ := address.SockaddrOf(s.Address) // nil is an error of Listen
	made := bootlist.Socket{FD: firstFD + i, At: to, Backlog: how.Backlog, UID: how.UID, GID: how.GID, Mode: how.Mode, Busy: address.ErrBusy}
	made.Why = func(err error) error {
		return &blamedError{l.places[i], fmt.Errorf("cannot listen on %s %q: %w", s.Name, s.Address, err)}
	}
	if _, path := to.(*unix.SockaddrUnix); !path {
		for _, x := range how.Settings(to) {
			made.Settings = append(made.Settings, bootlist.Setting(x))
		}
	}
	return made
}
