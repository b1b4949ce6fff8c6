package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/internal/version"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// Emperor is the controlled emperor; emperor.Emperor implements it.
type Emperor interface {
	Records(ctx context.Context) ([]emperor.Record, error)
	Transitions(ctx context.Context) ([]emperor.Record, <-chan *emperor.Transition, error)
	Do(ctx context.Context, name string, verb emperor.Verb, permits ...func(emperor.Record) bool) (emperor.Record, error)
	DoAll(ctx context.Context, wish emperor.Broadcast) error
	Configuration(ctx context.Context, name string) (p emperor.Plan, running bool, err error)
}

// Server answers on the control socket. Its fields are set before Run and not changed
// afterwards.
type Server struct {
	// Emperor answers questions. Required.
	Emperor Emperor
	// Output has the last output of vassals. Required.
	Output *output.Hub
	// Events has the past events. Required; the caller runs it.
	Events *eventlog.Log
	// Rescan makes the monitors rescan now. Required.
	Rescan func()
	// Info describes the emperor; the server fills in its Vassals and Failures.
	Info Info
	// Failures counts, by actor, how often a service of the emperor for clients failed. Optional.
	Failures func() map[string]uint64
	// Tyrant: vassals run as the owners of their files.
	Tyrant bool
	// Meter measures the resource usage of vassals. Required.
	Meter *Meter
	// Gate decides which clients are answered. Required.
	Gate *Gate
	// Network is the built-in network. Nil: there is none.
	Network Network
	// Changes reads the file of a plan and compares it with the plan. An error is about a file
	// that cannot be compared; mistakes in it are part of the answer. Required.
	Changes func(ctx context.Context, was emperor.Plan) (Changes, error)
	// Stopping is closed when the emperor stops: from then on the server answers questions
	// and refuses changes. Optional.
	Stopping <-chan struct{}
	// Log gets the commands of operators. Required.
	Log *slog.Logger

	mu    sync.Mutex
	taken time.Time // the time of the last list of records
	last  []emperor.Record

	followers, waiters longRequests
}

const (
	// slowest is how long a client may take to send its request, or to read a part of the
	// answer.
	slowest = 10 * time.Second
	// stale is how old a reused list of records may be: for any number of requests, the loop
	// is asked ten times a second.
	stale = 100 * time.Millisecond
)

// Run answers until ctx ends, and returns when the last client has its answer or a second
// is over.
func (s *Server) Run(ctx context.Context, c *RuntimeDir) error {
	h := &http.Server{
		Handler: s.admit(s.routes()), ReadHeaderTimeout: slowest, ReadTimeout: slowest, IdleTimeout: slowest, MaxHeaderBytes: 8 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: withConn, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if h.Shutdown(ending) != nil {
			_ = h.Close()
		}
	})
	defer stop()
	listener := newLimited(c.socket)
	listener.admit = s.Gate.admit
	err := h.Serve(listener)
	if errors.Is(err, http.ErrServerClosed) {
		<-ended // the last answers are given
		return nil
	}
	return fmt.Errorf("the control socket: %w", err)
}

// serverName precedes the version of the emperor in the header Server of all answers.
const serverName = "emperor/"

// admit answers clients that the gate has admitted.
func (s *Server) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", serverName+version.Text())
		g := connOf(r.Context())
		if g.refused != nil {
			w.Header().Set("Connection", "close")
			fail(w, &Error{Message: g.refused.Error(), Code: http.StatusForbidden})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
		g.becomes(asking)
		defer g.becomes(silent)
		next.ServeHTTP(w, r.WithContext(withRights(r.Context(), g.rights)))
	})
}

func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	for _, o := range routes() {
		m.HandleFunc(o.method+" "+prefix+o.path, o.permitted(s.handler(o)))
	}
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, &Error{Message: fmt.Sprintf("there is no %s %s (docs/control.md lists all requests)", r.Method, r.URL.Path), Code: http.StatusNotFound})
	})
	return m
}

// handler returns the handler of a route. While the emperor stops it refuses changes.
func (s *Server) handler(o route) http.HandlerFunc {
	if o.stream != nil {
		return func(w http.ResponseWriter, r *http.Request) { o.stream(s, w, r) }
	}
	return plain(func(r *http.Request) (any, error) {
		if o.method == http.MethodPost && !o.late {
			select {
			case <-s.Stopping:
				return nil, emperor.ErrStopping
			default:
			}
		}
		return o.plain(s, r)
	})
}

// plain answers with one JSON value.
func plain(f func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stop := signs(w, r)
		defer stop()
		v, err := f(r)
		stop()
		if err != nil {
			fail(w, err)
			return
		}
		deadline(w)
		w.Header().Set("Content-Type", "application/json")
		if p, is := v.(*pieces); is {
			_ = p.writeTo(w)
			return
		}
		_ = encoder(w).Encode(v)
	}
}

func encoder(w http.ResponseWriter) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

func deadline(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(slowest))
}

// fail answers with an Error.
func fail(w http.ResponseWriter, err error) {
	var f *Error
	if !errors.As(err, &f) {
		f = &Error{Message: err.Error(), Code: http.StatusConflict}
		if errors.Is(err, emperor.ErrEnded) {
			f.Code = http.StatusServiceUnavailable
		}
	}
	deadline(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.Code)
	_ = encoder(w).Encode(f)
}
