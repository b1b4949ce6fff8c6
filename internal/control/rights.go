package control

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// Right is the permission that a request needs. Each one includes those before it.
type Right int

// The rights.
const (
	// Nothing is the right of a client that is refused.
	Nothing Right = iota
	// Read is to see a vassal: its state, its output, its events.
	Read
	// Operate is to start, stop, restart and reload a vassal.
	Operate
	// Govern is to command the emperor itself, and everything else.
	Govern
)

// Rights are the rights of the process at the other end of a connection, as the kernel described
// it at the time of connecting.
type Rights struct {
	// UID is its user.
	UID int
	// All is the right for all vassals and the emperor.
	All Right
	// Own: for vassals whose files belong to UID the right is at least Operate.
	Own bool
}

// may reports whether the client has a right for a vassal of an owner.
func (c Rights) may(right Right, owner uint32) bool {
	return c.All >= right || c.Own && right <= Operate && int64(owner) == int64(c.UID)
}

// sees reports whether the client may see a vassal. Any other vassal does not exist for it.
func (c Rights) sees(r emperor.Record) bool { return c.may(Read, r.UID) }

// lines removes lines that the client may not read: of an earlier vassal of the same name.
func (c Rights) lines(lines []output.Line) []output.Line {
	return slices.DeleteFunc(lines, func(l output.Line) bool { return !c.may(Read, l.Owner) })
}

type rightsKey struct{}

func withRights(ctx context.Context, c Rights) context.Context {
	return context.WithValue(ctx, rightsKey{}, c)
}

// trustedly is the context of a caller in this process, which may read everything.
func trustedly(ctx context.Context) context.Context { return withRights(ctx, Rights{All: Read}) }

// rightsOf returns the rights of a request. Without any it may do nothing.
func rightsOf(ctx context.Context) Rights {
	c, _ := ctx.Value(rightsKey{}).(Rights)
	return c
}

// route is one request that the server answers.
type route struct {
	method, path string
	right        Right
	// whole: it is about the emperor or all vassals, so that no owner of some has the right.
	whole bool
	// late: a change that is also carried out while the emperor stops.
	late   bool
	plain  func(*Server, *http.Request) (any, error)
	stream func(*Server, http.ResponseWriter, *http.Request)
}

// routes are all requests, with the right that each one needs. A request for one vassal also
// needs it for that vassal (Server.may).
func routes() []route {
	list := []route{
		{method: "GET", path: "/emperor", right: Read, plain: info},
		{method: "GET", path: "/vassals", right: Read, plain: list},
		{method: "GET", path: "/vassals/{name}", right: Read, plain: status},
		{method: "GET", path: "/vassals/{name}/logs", right: Read, stream: (*Server).logs},
		{method: "GET", path: "/logs", right: Read, stream: (*Server).manyLogs},
		{method: "GET", path: "/events", right: Read, stream: (*Server).events},
		{method: "GET", path: "/network", right: Read, whole: true, plain: (*Server).network},
		{method: "GET", path: "/vassals/{name}/changes", right: Operate, plain: (*Server).differences},
	}
	for _, verb := range emperor.Verbs() {
		r := route{method: "POST", path: "/vassals/{name}/" + string(verb), right: Operate}
		if verb == emperor.Reset {
			r.right = Govern
		}
		r.plain = func(s *Server, q *http.Request) (any, error) { return s.verb(q, verb, r.right) }
		list = append(list, r)
	}
	return append(list, []route{
		{method: "POST", path: "/vassals/{name}/kill", right: Govern, plain: (*Server).kill},
		{method: "POST", path: "/network/collect", right: Govern, whole: true, plain: (*Server).collectNetwork},
		{method: "POST", path: "/reload", right: Govern, whole: true, plain: (*Server).reloadAll},
		{method: "POST", path: "/reset", right: Govern, whole: true, plain: (*Server).resetAll},
		{method: "POST", path: "/rescan", right: Govern, whole: true, plain: (*Server).rescan},
		{method: "POST", path: "/reopen-logs", right: Govern, whole: true, late: true, plain: (*Server).reopen},
	}...)
}

func info(s *Server, r *http.Request) (any, error) { return s.about(r.Context()) }

func status(s *Server, r *http.Request) (any, error) {
	return s.statusOf(r.Context(), r.PathValue("name"), 10)
}

// errRight is the refusal of a request to a client that may make others.
func errRight(r *http.Request) error {
	return &Error{
		Message: fmt.Sprintf("%s %s: user %d may not do that (docs/rights.md)", r.Method, r.URL.Path, rightsOf(r.Context()).UID),
		Code:    http.StatusForbidden,
	}
}

// permitted passes on requests of clients that may have the right of a route. The handler itself
// looks at the vassal.
func (o route) permitted(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := rightsOf(r.Context())
		if c.All < o.right && (o.whole || !c.Own || o.right > Operate) {
			fail(w, errRight(r))
			return
		}
		next(w, r)
	}
}

// names of rights in the document.
var rightNames = map[Right]string{Read: "read", Operate: "operate", Govern: "govern"}

// writeRights writes docs/rights.md.
func writeRights(w io.Writer) error {
	_, err := io.WriteString(w, `# Rights of clients

<!-- This file is generated. Do not edit it: change internal/control/rights.go, then run make docs. -->

A client of the control socket has the rights of its process when it connected, which the kernel reports (SO_PEERCRED, SO_PEERGROUPS).

| client | right |
|---|---|
| root, and the emperor's own user | govern |
| members of the group `+"`control-socket-group`"+` | govern |
| members of the group `+"`control-socket-read-group`"+` | read, for all vassals |
| with `+"`emperor-tyrant`"+`, the owner of a vassal's file | operate, for this vassal |
| others, processes in vassals, and processes in other user namespaces | none |

*govern* includes *operate*, and *operate* includes *read*. A vassal that a client may not read does not exist for it: the answer is the same as for a
name that no vassal has, and no list, event or suggestion contains the name.

| request | right |
|---|---|
`)
	list := routes()
	slices.SortStableFunc(list, func(a, b route) int { return int(a.right - b.right) })
	for _, o := range list {
		right := rightNames[o.right]
		if o.whole && o.right < Govern {
			right += ", for all vassals"
		}
		if err == nil {
			_, err = fmt.Fprintf(w, "| `%s %s%s` | %s |\n", o.method, prefix, o.path, right)
		}
	}
	return err
}
