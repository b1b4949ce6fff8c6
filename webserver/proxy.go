package webserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/backoff"
	"github.com/emperor-go/emperor/internal/uwsgiproto"
)

// proxy passes requests on to other HTTP servers, in turn. It passes upgrades such as
// websockets.
type proxy struct {
	targets []target
	turn    atomic.Uint64
	trust   bool // addresses of an earlier proxy are passed on
	log     *slog.Logger
	handler *httputil.ReverseProxy
}

type target struct {
	network, address, host string
	protocol               string // uwsgi; otherwise HTTP
	pool                   *pool
	own                    bool // the target is the command behind this server, which does not count as an additional proxy
}

// parseTarget parses an address, also after http://, or the path of a unix socket after unix:.
func parseTarget(s string) (t target, err error) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "http://"), "/")
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return target{network: "unix", address: path, host: "localhost", pool: &pool{}}, nil
	}
	to, err := address.Parse(s)
	switch {
	case err != nil:
		return t, err
	case to.Path != "" && !strings.ContainsAny(s, "/@"): // a host rather than a socket
		return t, fmt.Errorf("%q has no port (unix:%s is a socket)", s, s)
	case to.Path != "":
		return target{network: "unix", address: to.Path, host: "localhost", pool: &pool{}}, nil
	}
	return target{network: "tcp", address: to.Dialed(), host: to.Dialed(), pool: &pool{}}, nil
}

// targetKey and exchangeKey are the context keys of a passed-on request, for its target and
// its exchange.
type (
	targetKey   struct{}
	exchangeKey struct{}
)

// newProxy makes a proxy. With trust, it passes on the addresses that an earlier proxy has put
// into X-Forwarded-For. A request waits up to the given time for a server that does not listen.
func newProxy(addresses []string, trust bool, wait time.Duration, log *slog.Logger) (*proxy, error) {
	p := &proxy{trust: trust, log: log, handler: newReverseProxy(trust, wait, log)}
	for _, a := range addresses {
		t, err := parseTarget(a)
		if err != nil {
			return nil, &unusable{"server", a, err}
		}
		p.targets = append(p.targets, t)
	}
	return p, nil
}

func newReverseProxy(trust bool, wait time.Duration, log *slog.Logger) *httputil.ReverseProxy {
	plain := &net.Dialer{Timeout: dialTimeout}
	dial := patient(wait, func(ctx context.Context, t target) (net.Conn, error) {
		return plain.DialContext(ctx, t.network, t.address)
	})
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			t, _ := r.In.Context().Value(targetKey{}).(target)
			r.Out.URL.Scheme, r.Out.URL.Host = "http", t.host
			r.Out.Host = r.In.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery // httputil drops parts that it cannot parse, such as a;b
			forward(r, t, trust)
		},
		Transport: roundTrip{dial, &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				t, _ := ctx.Value(targetKey{}).(target)
				return dial(ctx, t)
			},
			DisableKeepAlives: true, DisableCompression: true,
		}},
		BufferPool: copyBuffers{},
		ErrorLog:   slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(context.Cause(r.Context()), errTooLong) {
				err = errTooLong
			}
			refuseProxied(w, err, r.Context().Err() != nil, log)
		},
	}
}

// refuseProxied answers a request that no target has answered. left: its client has left.
func refuseProxied(w http.ResponseWriter, err error, left bool, log *slog.Logger) {
	status := http.StatusBadGateway
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, errTooLong):
		status = http.StatusGatewayTimeout
	case errors.As(err, &large):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, errLength):
		status = http.StatusLengthRequired
	case errors.Is(err, uwsgiproto.ErrTooLarge):
		status = http.StatusRequestHeaderFieldsTooLarge
	case !left:
		log.Warn("cannot pass a request on", "error", err)
	}
	http.Error(w, strings.ToLower(http.StatusText(status)), status)
}

const (
	// dialTimeout limits one attempt to connect.
	dialTimeout = 10 * time.Second
	// dialFirst and dialMax bound the pause between two attempts to connect.
	dialFirst = 5 * time.Millisecond
	dialMax   = 100 * time.Millisecond
)

// dialer connects to a target.
type dialer func(ctx context.Context, t target) (net.Conn, error)

// patient connects again while no process listens at the target, for at most the given time, and while the
// queue of its unix socket is full (EAGAIN in unix(7)).
func patient(wait time.Duration, dial dialer) dialer {
	return func(ctx context.Context, t target) (net.Conn, error) {
		begun := time.Now()
		pauses := backoff.Pauses{First: dialFirst, Longest: dialMax}
		for {
			conn, err := dial(ctx, t)
			limit := time.Duration(-1)
			switch {
			case errors.Is(err, syscall.EAGAIN):
				limit = max(wait, dialTimeout)
			case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
				limit = wait
			}
			if limit <= 0 || time.Since(begun) > limit {
				return conn, err
			}
			if pauses.Wait(ctx) != nil {
				return nil, context.Cause(ctx)
			}
		}
	}
}

func (p *proxy) serve(x *exchange) {
	p.pass(x, *p.next())
}

func (p *proxy) pass(x *exchange, t target) {
	t.pool.pause(relaySilence) // this request has a connection of its own, and must not wait for an idle one
	x.duplex()
	ctx := context.WithValue(x.r.Context(), targetKey{}, t)
	if t.protocol == "uwsgi" {
		ctx = context.WithValue(ctx, exchangeKey{}, x)
	}
	p.handler.ServeHTTP(x, x.r.WithContext(ctx))
}

// Headers that name the client of an earlier proxy.
const (
	forwardedFor   = "X-Forwarded-For"
	forwardedHost  = "X-Forwarded-Host"
	forwardedProto = "X-Forwarded-Proto"
)

// forward adds the client's address to a passed-on request. In the uwsgi protocol variables
// carry it. For its own command this server is not an additional proxy: it keeps the addresses
// of an earlier proxy and appends the client's.
func forward(r *httputil.ProxyRequest, t target, trust bool) {
	forwarded := func(name string) {
		if values := r.In.Header[name]; len(values) > 0 {
			r.Out.Header[name] = values
		}
	}
	if t.protocol == "uwsgi" {
		forwarded(forwardedFor)
		forwarded(forwardedHost)
		forwarded(forwardedProto)
		return
	}
	if trust || t.own {
		forwarded(forwardedFor)
	}
	r.SetXForwarded()
	if t.own {
		forwarded(forwardedHost)
		forwarded(forwardedProto)
	}
}
