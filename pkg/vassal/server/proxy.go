package server

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
	"time"

	"github.com/emperor-go/emperor/internal/address"
)

// proxy passes requests on to other HTTP servers, in turn. Upgrades such as
// websockets pass.
type proxy struct {
	targets []target
	turn    atomic.Uint64
	handler *httputil.ReverseProxy
}

type target struct {
	network, address, host string
	protocol               string // uwsgi; otherwise HTTP
	own                    bool   // it is what this server stands before: it hears of a proxy before this one as if there were no other
}

// parseTarget reads an address, also after http://, or the path of a unix socket
// after unix:.
func parseTarget(s string) (t target, err error) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "http://"), "/")
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return target{network: "unix", address: path, host: "localhost"}, nil
	}
	to, err := address.Parse(s)
	switch {
	case err != nil:
		return t, fmt.Errorf("cannot pass requests to %q: %w", s, err)
	case to.Path != "" && !strings.ContainsAny(s, "/@"): // rather a host than a socket
		return t, fmt.Errorf("cannot pass requests to %q: missing port in address (unix:%s is a socket)", s, s)
	case to.Path != "":
		return target{network: "unix", address: to.Path, host: "localhost"}, nil
	}
	return target{network: "tcp", address: to.Dialed(), host: to.Dialed()}, nil
}

// targetKey and exchangeKey are where a request that is passed on keeps where it goes, and
// what it was.
type (
	targetKey   struct{}
	exchangeKey struct{}
)

// newProxy makes a proxy. With trust, addresses that a proxy before this one has
// put into X-Forwarded-For are passed on.
func newProxy(addresses []string, trust bool, log *slog.Logger) (*proxy, error) {
	p := &proxy{}
	for _, a := range addresses {
		t, err := parseTarget(a)
		if err != nil {
			return nil, err
		}
		p.targets = append(p.targets, t)
	}
	p.handler = newReverseProxy(trust, log)
	return p, nil
}

func newReverseProxy(trust bool, log *slog.Logger) *httputil.ReverseProxy {
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	dial := func(ctx context.Context, t target) (net.Conn, error) {
		return dialer.DialContext(ctx, t.network, t.address)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			t, _ := r.In.Context().Value(targetKey{}).(target)
			r.Out.URL.Scheme, r.Out.URL.Host = "http", t.host
			r.Out.Host = r.In.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery // httputil leaves out what it cannot parse, such as a;b
			forward(r, t, trust)
		},
		Transport: roundTrip{dial, &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				t, _ := ctx.Value(targetKey{}).(target)
				return dial(ctx, t)
			},
			// A kept connection may be closed by its server just when a request is sent
			// on it, and a request that is not idempotent could not be repeated.
			DisableKeepAlives: true, DisableCompression: true,
		}},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			status := http.StatusBadGateway
			var large *http.MaxBytesError
			switch {
			case errors.Is(context.Cause(r.Context()), errTooLong):
				status = http.StatusGatewayTimeout
			case errors.As(err, &large):
				status = http.StatusRequestEntityTooLarge
			case errors.Is(err, errLength):
				status = http.StatusLengthRequired
			case errors.Is(err, errHeaders):
				status = http.StatusRequestHeaderFieldsTooLarge
			case r.Context().Err() == nil:
				log.Warn("cannot pass a request on", "error", err)
			}
			http.Error(w, strings.ToLower(http.StatusText(status)), status)
		},
	}
}

func (p *proxy) serve(x *exchange) {
	t := p.targets[(p.turn.Add(1)-1)%uint64(len(p.targets))]
	p.pass(x, t)
}

func (p *proxy) pass(x *exchange, t target) {
	x.duplex()
	ctx := context.WithValue(x.r.Context(), targetKey{}, t)
	if t.protocol == "uwsgi" {
		ctx = context.WithValue(ctx, exchangeKey{}, x)
	}
	p.handler.ServeHTTP(x, x.r.WithContext(ctx))
}

// forward says for whom a request is passed on. By the uwsgi protocol variables say it.
// To its own command this server is no further proxy: what one before it has said stays,
// and the client's address is added to the others.
func forward(r *httputil.ProxyRequest, t target, trust bool) {
	said := func(name string) {
		if values := r.In.Header[name]; len(values) > 0 {
			r.Out.Header[name] = values
		}
	}
	if t.protocol == "uwsgi" {
		said("X-Forwarded-For")
		said("X-Forwarded-Host")
		said("X-Forwarded-Proto")
		return
	}
	if trust || t.own {
		said("X-Forwarded-For")
	}
	r.SetXForwarded()
	if t.own {
		said("X-Forwarded-Host")
		said("X-Forwarded-Proto")
	}
}
