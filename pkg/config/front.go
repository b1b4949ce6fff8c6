package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// router reports whether the socket belongs to uWSGI's HTTP router. A router passes requests on
// to another socket, if one exists.
func (s Socket) router() bool { return s.Name == "http" || s.Name == "https" }

// commands reports whether workers run a program of the operator.
func (v *Vassal) commands() bool { return len(v.Command)+len(v.Workers.Exec) > 0 }

// Fronted reports whether the built-in server runs between clients and the command: it answers
// some requests itself, decrypts TLS, or is a router before another socket.
func (v *Vassal) Fronted() bool {
	if !v.commands() {
		return false
	}
	return v.Server.Answers() || slices.ContainsFunc(v.Sockets, func(s Socket) bool { return s.Name != "stats" && v.Fronts(s.Name) })
}

// Fronts reports whether the sockets of an option belong to the built-in server that runs before
// a command.
func (v *Vassal) Fronts(option string) bool {
	switch {
	case v.Server.Answers(), option == "https", option == "https-socket", option == "stats":
		return true
	case option == "http":
		return v.Routed() != nil
	}
	return false
}

// Routed returns the socket to which the routers pass requests on: the first socket that is not a
// router's. It returns nil when there is no such socket; then the routers' sockets belong to the
// program that serves.
func (v *Vassal) Routed() *Socket {
	for i, s := range v.Sockets {
		if !s.router() && s.Name != "stats" && s.Name != "https-socket" {
			return &v.Sockets[i]
		}
	}
	return nil
}

// Spoken returns the protocol of the sockets of an option: http, uwsgi or fastcgi. TLS sockets
// have the protocol http too.
func (v *Vassal) Spoken(option string) string {
	switch option {
	case "uwsgi-socket":
		return "uwsgi"
	case "fastcgi-socket":
		return "fastcgi"
	case "socket", "shared-socket":
		if v.Server.SocketProtocol != "" {
			return v.Server.SocketProtocol
		}
		return "uwsgi"
	}
	return "http"
}

// Early returns the sockets that are bound before privileges are dropped: sockets of routers,
// because their ports may be below 1024. (uWSGI's router needs a shared socket for that.) Sockets
// in a tenant's own file are excluded.
func (v *Vassal) Early() (list []Socket) {
	for _, s := range v.Sockets {
		if _, shared := s.Shared(); s.router() && !shared && !address.IsUnix(s.Address) && !v.tenants(s) {
			list = append(list, s)
		}
	}
	return list
}

// tenants reports whether a tenant's file declares a socket.
func (v *Vassal) tenants(s Socket) bool {
	return slices.ContainsFunc(v.entries, func(e dialect.Entry) bool {
		o := vassalOptions.find(e.Key)
		return e.Tenant && o != nil && o.Name == s.Name && (e.Value == s.Address || strings.HasPrefix(e.Value, s.Address+","))
	})
}

// unpassable reports whether the built-in server could pass requests on only by FastCGI.
func (v *Vassal) unpassable() bool {
	if len(v.Server.HTTPTo) > 0 {
		return false
	}
	return slices.ContainsFunc(v.Sockets, func(s Socket) bool {
		to := s
		if s.router() && v.Routed() != nil {
			to = *v.Routed()
		}
		return s.Name != "stats" && v.Fronts(s.Name) && v.Spoken(to.Name) == "fastcgi"
	})
}

// withoutServer warns about options of the built-in server that have no effect, because a program
// serves and the server does not run before it.
func (v review) withoutServer() {
	if v.Server.Serves() || v.Fronted() || !v.runs() {
		return
	}
	var idle []*option.Row[serving.Options]
	for _, w := range v.Server.Written {
		if o := serving.Rows.Find(w.Name); o != nil && !slices.Contains(effectiveWithoutServer, w.Name) {
			idle = append(idle, o)
		}
	}
	var names []string
	var first Origin
	for _, e := range v.entries {
		is := func(o *option.Row[serving.Options]) bool { return o.Is(e.Key) }
		if e.Handled || !slices.ContainsFunc(idle, is) || slices.Contains(names, e.Key) {
			continue
		}
		if names = append(names, e.Key); len(names) == 1 {
			first = e.Origin
		}
	}
	if len(names) > 0 {
		v.warnings.Add(first, "", "only the built-in server uses "+strings.Join(names, ", ")+", and a program serves without it",
			"the program's own options do that; with static-map or a route the server stands before it")
	}
}

// effectiveWithoutServer are options of the built-in server that also work without it, or that have a
// warning of their own.
var effectiveWithoutServer = []string{"need-app", "socket-protocol", "stats-http", "stats-minified"}
