package config

import (
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// Socket is an address to listen on.
type Socket struct {
	// Name is the option that declares the socket. It becomes the descriptor's name in
	// LISTEN_FDNAMES.
	Name string
	// Address is `host:port`, `:port`, `[ipv6]:port`, the path of a unix socket, `@name` for
	// an abstract one, or `=N` for the shared socket N.
	Address string
}

// Shared returns the index of the shared socket that the address refers to.
func (s Socket) Shared() (index int, ok bool) {
	number, ok := strings.CutPrefix(s.Address, "=")
	if !ok {
		return 0, false
	}
	index, err := strconv.Atoi(number)
	return index, err == nil && index >= 0
}

// Addresses returns the addresses that the vassal binds itself, as written, and each shared one
// once.
func (v *Vassal) Addresses() []string {
	list := slices.Clone(v.Listening.Shared)
	for _, s := range v.Sockets {
		if _, shared := s.Shared(); !shared {
			list = append(list, s.Address)
		}
	}
	return list
}

// Listening has the options that apply to all sockets of a vassal.
type Listening struct {
	// Shared sockets are bound before privileges are dropped, so that their ports can be below
	// 1024. A Socket refers to a shared one by its position in this list.
	Shared []string
	// Backlog is the length of the accept queue. Never zero.
	Backlog int
	// KeepAlive, NoDelay and FreeBind are SO_KEEPALIVE, TCP_NODELAY and IP_FREEBIND.
	KeepAlive, NoDelay, FreeBind bool
	// ReusePort gives each worker a socket of its own (SO_REUSEPORT).
	ReusePort bool
	// Mode of the paths of unix sockets, if ModeSet.
	Mode    fs.FileMode
	ModeSet bool
	// Owner and Group of the paths of unix sockets.
	Owner, Group Identity
	// Vacuum removes pid files at the end if they still contain our pid. Sockets are always
	// removed.
	Vacuum bool
}

// socketOptions are the addresses of a vassal, bound in the order of the file, and the options of
// the sockets.
var socketOptions = option.Rows[Vassal]{
	{Name: "chmod-socket", Group: "Sockets", Arg: "[MODE]", Tyrant: true, Help: "mode of unix sockets", Set: setSocketMode},
	{Name: "chown-socket", Group: "Sockets", Arg: "USER[:GROUP]", Guard: true, Tyrant: true, Help: "owner of unix sockets", Set: setSocketOwner},
	{
		Name: "fastcgi-socket", Group: "Sockets", Arg: "ADDRESS", Repeat: true, Tyrant: true, Change: option.Reload, Help: "listen for FastCGI",
		Set: func(v *Vassal, t option.Value) error { return v.addSocket("fastcgi-socket", t.Text) },
	},
	{
		Name: "freebind", Group: "Sockets", Tyrant: true, Help: "bind addresses that do not exist yet (IP_FREEBIND)",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Listening.FreeBind) },
	},
	{
		Name: "http", Aliases: []string{"httprouter"}, Group: "Sockets", Arg: "ADDRESS", Repeat: true, Tyrant: true,
		Help: "listen for HTTP, bound before privileges are dropped; beside another socket pass requests on to it",
		Set:  func(v *Vassal, t option.Value) error { return v.addSocket("http", t.Text) },
	},
	{
		Name: "http-socket", Group: "Sockets", Arg: "ADDRESS", Repeat: true, Tyrant: true, Change: option.Reload,
		Help: "listen for HTTP on :PORT, HOST:PORT, [IPV6]:PORT, a path, @NAME or =N",
		Set:  func(v *Vassal, t option.Value) error { return v.addSocket("http-socket", t.Text) },
	},
	{
		Name: "https", Group: "Sockets", Arg: "ADDRESS,CERT,KEY[,,CLIENT-CA]", Repeat: true, Tyrant: true, Help: "as http, over TLS",
		Set: func(v *Vassal, t option.Value) error { return v.addSecure("https", t) },
	},
	{
		Name: "https-socket", Group: "Sockets", Arg: "ADDRESS,CERT,KEY[,,CLIENT-CA]", Repeat: true, Tyrant: true, Change: option.Reload,
		Help: "listen for HTTP/1.1 and HTTP/2 over TLS", Set: func(v *Vassal, t option.Value) error { return v.addSecure("https-socket", t) },
	},
	{Name: "listen", Group: "Sockets", Arg: "N", Def: "100", Tyrant: true, Help: "number of connections that wait for a worker", Set: setBacklog},
	{
		Name: "reuse-port", Group: "Sockets", Tyrant: true, Help: "a socket for each worker (SO_REUSEPORT)",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Listening.ReusePort) },
	},
	{
		Name: "shared-socket", Group: "Sockets", Arg: "ADDRESS", Repeat: true, Help: "bind before privileges are dropped; `socket = =0` uses the first",
		Set: func(v *Vassal, t option.Value) error {
			text := unsetPort(t.Text)
			if err := checkAddress(text, false); err != nil {
				return err
			}
			v.Listening.Shared = append(v.Listening.Shared, text)
			return nil
		},
	},
	{
		Name: "so-keepalive", Group: "Sockets", Tyrant: true, Help: "detect dead peers (SO_KEEPALIVE)",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Listening.KeepAlive) },
	},
	{
		Name: "socket", Group: "Sockets", Arg: "ADDRESS", Repeat: true, Tyrant: true, Change: option.Reload,
		Help: "listen on :PORT, HOST:PORT, [IPV6]:PORT, a path, @NAME or =N", Set: func(v *Vassal, t option.Value) error { return v.addSocket("socket", t.Text) },
	},
	{
		Name: "stats", Aliases: []string{"stats-server"}, Group: "Sockets", Arg: "ADDRESS", Repeat: true, Tyrant: true, Change: option.Reload,
		Help: "serve statistics of the built-in server on an address", Set: func(v *Vassal, t option.Value) error { return v.addSocket("stats", t.Text) },
	},
	{
		Name: "tcp-nodelay", Group: "Sockets", Tyrant: true, Help: "send small pieces at once (TCP_NODELAY)",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Listening.NoDelay) },
	},
	{
		Name: "uwsgi-socket", Group: "Sockets", Arg: "ADDRESS", Repeat: true, Tyrant: true, Change: option.Reload,
		Help: "listen for the uwsgi protocol", Set: func(v *Vassal, t option.Value) error { return v.addSocket("uwsgi-socket", t.Text) },
	},
	{
		Name: "vacuum", Group: "Sockets", Tyrant: true, Change: option.Reload,
		Help: "remove pid files at the end, if they are still ours (sockets are always removed)",
		Into: func(v *Vassal) option.Field { return (*option.Flag)(&v.Listening.Vacuum) },
	},
}

func (v *Vassal) addSocket(name, text string) error {
	text = unsetPort(text)
	if err := checkAddress(text, true); err != nil {
		return err
	}
	v.Sockets = append(v.Sockets, Socket{name, text})
	return nil
}

// unsetPort replaces a port that refers to an unset environment variable, :$(PORT), by port 0, as
// uWSGI does: it reads the leading digits of a port (atoi(3)), and there are none.
func unsetPort(text string) string {
	host, port, ok := address.Split(text)
	if !ok || !strings.HasPrefix(port, "$(") || reference(port, "$(") == "" {
		return text
	}
	return host + ":0"
}

// addSecure stores the certificate in the options of the built-in server.
func (v *Vassal) addSecure(name string, t option.Value) error {
	if err := v.Server.Put(serving.Find(name), t); err != nil {
		return err
	}
	address, _, _ := strings.Cut(t.Text, ",")
	return v.addSocket(name, address)
}

// checkAddress rejects addresses that can never be bound.
func checkAddress(s string, reference bool) error {
	number, shared := strings.CutPrefix(s, "=")
	switch {
	case s == "" || s == "@":
		return option.Wrong("no address given", "")
	case shared:
		if n, err := strconv.Atoi(number); err != nil || n < 0 || !reference {
			return option.Wrong(strconv.Quote(s)+" is not a shared socket", "=0 is the first shared-socket")
		}
	case !address.IsUnix(s):
		if _, err := address.Parse(s); err != nil {
			return option.Wrong(problem.Of(err).What, "0 to 65535")
		}
	case len(strings.TrimPrefix(s, "@")) > address.MaxPath:
		return option.Wrong("the path is too long for a unix socket", "at most 107 bytes")
	}
	return nil
}

func setBacklog(v *Vassal, t option.Value) error {
	n, err := strconv.Atoi(t.Text)
	if err != nil || n < 1 || n > 1<<16 {
		return option.Wrong(strconv.Quote(t.Text)+" is not a number of connections", "1 to 65536")
	}
	v.Listening.Backlog = n
	return nil
}

func setSocketMode(v *Vassal, t option.Value) error {
	if t.Text == "" || t.Text == "true" { // a flag without a value, as in uWSGI
		t.Text = "666"
	}
	mode, err := parsePermissions(t.Text, "mode", "660")
	if err == nil {
		v.Listening.Mode, v.Listening.ModeSet = mode, true
	}
	return err
}

func setSocketOwner(v *Vassal, t option.Value) (err error) {
	v.Listening.Owner, v.Listening.Group, err = parseOwner(t.Text)
	return err
}
