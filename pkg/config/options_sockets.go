package config

import (
	"io/fs"
	"strconv"
	"strings"
)

// Socket is an address to listen on.
type Socket struct {
	// Name is the option it was given by. It becomes the descriptor's name in
	// LISTEN_FDNAMES.
	Name string
	// Address is `host:port`, `:port`, `[ipv6]:port`, the path of a unix socket,
	// `@name` for an abstract one, or `=N` for the shared socket N.
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

// Listening is how sockets are made, the same for all of a vassal.
type Listening struct {
	// Shared are bound before the drop, so that a port below 1024 can be. A
	// Socket refers to one by its place in this list.
	Shared []string
	// Backlog is how many connections wait for a worker. Never zero.
	Backlog int
	// KeepAlive, NoDelay and FreeBind are SO_KEEPALIVE, TCP_NODELAY and IP_FREEBIND.
	KeepAlive, NoDelay, FreeBind bool
	// ReusePort gives each worker a socket of its own (SO_REUSEPORT).
	ReusePort bool
	// Mode of the paths of unix sockets; only if ModeSet.
	Mode    fs.FileMode
	ModeSet bool
	// Owner and Group of the paths of unix sockets.
	Owner, Group Identity
	// Vacuum removes pid files in the end, if they are still ours; sockets always
	// are removed.
	Vacuum bool
}

// socketOptions are the addresses a vassal listens on, in the order in which
// they are bound, and how.
func socketOptions() table[Vassal] {
	return table[Vassal]{
		{name: "chmod-socket", group: "Sockets", arg: "[MODE]", tyrant: true, help: "mode of unix sockets", set: setSocketMode},
		{name: "chown-socket", group: "Sockets", arg: "USER[:GROUP]", guard: true, tyrant: true, help: "owner of unix sockets", set: setSocketOwner},
		{name: "fastcgi-socket", group: "Sockets", arg: "ADDRESS", repeat: true, tyrant: true, change: Reload, help: "listen for FastCGI", set: setSocket("fastcgi-socket")},
		{
			name: "freebind", group: "Sockets", tyrant: true, help: "bind addresses that are not there yet (IP_FREEBIND)",
			set: yes(func(v *Vassal) *bool { return &v.Listening.FreeBind }),
		},
		{name: "http-socket", group: "Sockets", arg: "ADDRESS", repeat: true, tyrant: true, change: Reload, help: "listen for HTTP on :PORT, HOST:PORT, [IPV6]:PORT, a path, @NAME or =N", set: setSocket("http-socket")},
		{name: "https-socket", group: "Sockets", arg: "ADDRESS,CERT,KEY[,,CLIENT-CA]", repeat: true, tyrant: true, change: Reload, help: "listen for HTTP/1.1 and HTTP/2 over TLS", set: setHTTPS},
		{name: "listen", group: "Sockets", arg: "N", def: "100", tyrant: true, help: "how many connections wait for a worker", set: setBacklog},
		{
			name: "reuse-port", group: "Sockets", tyrant: true, help: "a socket for each worker (SO_REUSEPORT)",
			set: yes(func(v *Vassal) *bool { return &v.Listening.ReusePort }),
		},
		{
			name: "shared-socket", group: "Sockets", arg: "ADDRESS", repeat: true, help: "bind before privileges are dropped; `socket = =0` uses the first",
			set: func(v *Vassal, t value) error {
				if err := checkAddress(t.text, false); err != nil {
					return err
				}
				v.Listening.Shared = append(v.Listening.Shared, t.text)
				return nil
			},
		},
		{
			name: "so-keepalive", group: "Sockets", tyrant: true, help: "detect dead peers (SO_KEEPALIVE)",
			set: yes(func(v *Vassal) *bool { return &v.Listening.KeepAlive }),
		},
		{name: "socket", group: "Sockets", arg: "ADDRESS", repeat: true, tyrant: true, change: Reload, help: "listen on :PORT, HOST:PORT, [IPV6]:PORT, a path, @NAME or =N", set: setSocket("socket")},
		{name: "stats", aliases: []string{"stats-server"}, group: "Sockets", arg: "ADDRESS", repeat: true, tyrant: true, change: Reload, help: "tell statistics of the built-in server on an address", set: setSocket("stats")},
		{
			name: "tcp-nodelay", group: "Sockets", tyrant: true, help: "send small pieces at once (TCP_NODELAY)",
			set: yes(func(v *Vassal) *bool { return &v.Listening.NoDelay }),
		},
		{name: "uwsgi-socket", group: "Sockets", arg: "ADDRESS", repeat: true, tyrant: true, change: Reload, help: "listen for the uwsgi protocol", set: setSocket("uwsgi-socket")},
		{
			name: "vacuum", group: "Sockets", tyrant: true, change: Reload, help: "remove pid files in the end, if they are still ours (sockets always are)",
			set: yes(func(v *Vassal) *bool { return &v.Listening.Vacuum }),
		},
	}
}

func setSocket(name string) func(*Vassal, value) error {
	return func(v *Vassal, t value) error {
		if err := checkAddress(t.text, true); err != nil {
			return err
		}
		v.Sockets = append(v.Sockets, Socket{name, t.text})
		return nil
	}
}

// checkAddress refuses what could never be listened on.
func checkAddress(s string, reference bool) error {
	number, shared := strings.CutPrefix(s, "=")
	switch {
	case s == "" || s == "@":
		return hinted{what: "no address given"}
	case shared:
		if n, err := strconv.Atoi(number); err != nil || n < 0 || !reference {
			return hinted{strconv.Quote(s) + " is not a shared socket", "=0 is the first shared-socket"}
		}
	case s[0] != '/' && s[0] != '@' && strings.Contains(s, ":"):
		port := s[strings.LastIndex(s, ":")+1:]
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return hinted{strconv.Quote(port) + " is not a port", "0 to 65535"}
		}
	case len(strings.TrimPrefix(s, "@")) > 107:
		return hinted{"the path is too long for a unix socket", "at most 107 bytes"}
	}
	return nil
}

func setBacklog(v *Vassal, t value) error {
	n, err := strconv.Atoi(t.text)
	if err != nil || n < 1 || n > 1<<16 {
		return hinted{strconv.Quote(t.text) + " is not a number of connections", "1 to 65536"}
	}
	v.Listening.Backlog = n
	return nil
}

func setSocketMode(v *Vassal, t value) error {
	if t.text == "" || t.text == "true" { // the flag alone, as in uWSGI
		t.text = "666"
	}
	mode, err := strconv.ParseUint(t.text, 8, 16)
	if err != nil || mode > 0o777 {
		return hinted{strconv.Quote(t.text) + " is not a mode", "octal, such as 660"}
	}
	v.Listening.Mode, v.Listening.ModeSet = fs.FileMode(mode), true
	return nil
}

func setSocketOwner(v *Vassal, t value) (err error) {
	user, group, both := strings.Cut(t.text, ":")
	if v.Listening.Owner, err = parseIdentity(user); err == nil && both {
		v.Listening.Group, err = parseIdentity(group)
	}
	return err
}
