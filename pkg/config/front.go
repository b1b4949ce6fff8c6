package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// router reports whether the socket belongs to uWSGI's HTTP router, which passes requests on
// to another socket if there is one.
func (s Socket) router() bool { return s.Name == "http" || s.Name == "https" }

// commands reports whether workers run a program of the operator.
func (v *Vassal) commands() bool { return len(v.Command)+len(v.Workers.Exec) > 0 }

// Fronted reports whether the built-in server stands between clients and the command: it
// answers some requests itself, speaks TLS, or is a router before another socket.
func (v *Vassal) Fronted() bool {
	if !v.commands() {
		return false
	}
	return v.Server.Answers() || slices.ContainsFunc(v.Sockets, func(s Socket) bool { return s.Name != "stats" && v.Fronts(s.Name) })
}

// Fronts reports whether the built-in server before a command has the sockets of an option.
func (v *Vassal) Fronts(option string) bool {
	switch {
	case v.Server.Answers(), option == "https", option == "https-socket", option == "stats":
		return true
	case option == "http":
		return v.Routed() != nil
	}
	return false
}

// Routed returns the socket to which the routers pass requests on: the first that is not a
// router's. Nil: there is none, and the routers' sockets belong to the program that serves.
func (v *Vassal) Routed() *Socket {
	for i, s := range v.Sockets {
		if !s.router() && s.Name != "stats" && s.Name != "https-socket" {
			return &v.Sockets[i]
		}
	}
	return nil
}

// Spoken returns the protocol of the sockets of an option: http, uwsgi or fastcgi. Over TLS it
// is http as well.
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

// Early returns the sockets that are bound before the drop: the ports of routers, which may be
// below 1024. (uWSGI's router needs a shared socket for that.) It excludes those in a tenant's
// own file.
func (v *Vassal) Early() (list []Socket) {
	for _, s := range v.Sockets {
		if _, shared := s.Shared(); s.router() && !shared && !address.IsUnix(s.Address) && !v.tenants(s) {
			list = append(list, s)
		}
	}
	return list
}

// tenants reports whether a socket is in a file that a tenant owns.
func (v *Vassal) tenants(s Socket) bool {
	return slices.ContainsFunc(v.entries, func(e dialect.Entry) bool {
		o := vassalOptions.find(e.Key)
		return e.Tenant && o != nil && o.Name == s.Name && (e.Value == s.Address || strings.HasPrefix(e.Value, s.Address+","))
	})
}

// unpassable reports whether requests could only be passed on by FastCGI.
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

// withoutServer warns about options of the built-in server without effect: a program serves
// and the server does not stand before it.
func (v *Vassal) withoutServer(warnings *Problems) {
	if v.Server.Serves() || v.Fronted() || !v.runs() {
		return
	}
	var idle []*option.Row[serving.Options]
	for _, w := range v.Server.Written {
		if o := serving.Rows.Find(w.Name); o != nil && !slices.Contains(heededByOthers, w.Name) {
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
		warnings.Add(first, "", "only the built-in server uses "+strings.Join(names, ", ")+", and a program serves without it",
			"the program's own options do that; with static-map or a route the server stands before it")
	}
}

// heededByOthers are options of the built-in server that have an effect without it, or whose
// socket has a warning of its own.
var heededByOthers = []string{"need-app", "socket-protocol", "stats-http", "stats-minified"}
