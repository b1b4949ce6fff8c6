// Package webserver is the vassal's built-in server, a worker like any other: it answers HTTP,
// the uwsgi protocol and FastCGI with files, programs and other servers. It is a separate
// program, so that a vassal that does not use it does not load it.
package webserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emperor-go/emperor/internal/logger"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// Defaults of the options.
const (
	headerTimeout        = 10 * time.Second
	defaultKeepAlive     = 60 * time.Second
	defaultSocketTimeout = 30 * time.Second
	defaultBufferSize    = 64 << 10
	defaultGrace         = 2 * time.Second
	lookInterval         = 20 * time.Millisecond
)

// busyRequests is the number of requests in progress at which Config.Busy is called.
const busyRequests = 4

// Config configures a server.
type Config struct {
	// Options describe the answers. The server does not change them.
	Options serving.Options
	// Sockets to serve, at least one. The server closes them.
	Sockets []Socket
	// SharedStats is memory that all servers of the vassal share, for statistics. May be nil.
	SharedStats []byte
	// Log gets errors, and AccessLog a line for each request. Neither may block. Required.
	Log       *slog.Logger
	AccessLog Lines
	// Notify is called at readiness, at the first request and at heartbeats. It must not block
	// for long. May be nil.
	Notify func(state string)
	// First is called once, before the first request is answered. It must not block. May be nil.
	First func()
	// Busy is called when busyRequests are in progress at the same time, one call at a time,
	// until it returns true. May be nil.
	Busy func() (done bool)
	// Grace is how long idle connections stay open when the server is stopping, so that a
	// request already on its way is answered and its client connects again for the next one.
	// Zero: 2 seconds.
	Grace time.Duration
}

// Lines takes one line, which ends in a newline and is valid during the call.
type Lines interface {
	// Write takes the whole line, or drops it.
	Write(line []byte) (int, error)
}

// server is one run of Serve.
type server struct {
	config   Config
	answers  *answers
	log      *accessLog
	requests *termlog.Queue // of a file for requests; nil: they are on standard error
	shared   sharedStats
	counters *counters // this server's place in the shared statistics
	conns    connections
	draining atomic.Bool
	loyal    sync.Once
	first    sync.Once
	rushing  atomic.Bool // Busy runs, or has returned true
	web      *http.Server
	secured  int                        // https-sockets that have their certificate
	serves   []func() error             // functions that accept, one for each socket
	stops    []func(last time.Duration) // functions that end them, after that time
	failed   chan error                 // the results of serves
	accepts  []chan struct{}            // for each socket; closed when it is not accepted from any more
	// handed reports for each socket whether another server of this process accepts from it, which has the
	// counters, too. Nil: there is no such server.
	handed []bool
}

// ErrNothing is returned when the options describe no answers.
var ErrNothing = errors.New("there is nothing to serve")

// Serve answers until ctx ends; Main calls it, and so may a program that embeds the server. At the
// end it waits for requests in progress without a time limit:
// the caller decides when to kill the process. It returns nil, or the error that prevented
// serving. c is copied.
func Serve(ctx context.Context, c *Config) error {
	s, err := newServer(c, nil)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.open(); err != nil {
		return err
	}
	s.begin()
	s.notify("READY=1")
	beat := newBeat(s.config.Options.Heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
			s.notify("WATCHDOG=1")
		case err := <-s.failed:
			return errors.Join(err, s.web.Close())
		case <-ctx.Done():
			s.notify("STOPPING=1")
			s.retire()
			return s.leave(context.WithoutCancel(ctx))
		}
	}
}

// newServer returns a server that does not accept yet. It continues the statistics of the one before it
// in this process; nil: there is none. The caller closes it.
func newServer(c *Config, before *server) (_ *server, err error) {
	if !c.Options.Serves() {
		return nil, ErrNothing
	}
	s := &server{config: *c}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	o := &s.config.Options
	defaultTo(&o.BufferSize, defaultBufferSize)
	defaultTo(&o.SocketTimeout, defaultSocketTimeout)
	defaultTo(&o.KeepAlive, defaultKeepAlive)
	defaultTo(&s.config.Grace, defaultGrace)
	if o.Log.To != (logger.Logger{}) {
		s.requests = requestLog(o.Log.To, c)
		s.config.AccessLog = s.requests
	}
	if s.log, err = newAccessLog(o.Log, s.config.AccessLog); err != nil {
		return nil, err
	}
	if s.answers, err = newAnswers(o, c.Log); err != nil {
		return nil, err
	}
	if before != nil {
		s.shared, s.counters, s.log.place = before.shared, before.counters, before.log.place
	} else {
		s.shared = sharedStatsOf(c.SharedStats)
		s.counters, s.log.place = s.shared.take()
	}
	s.web = &http.Server{
		Handler: s, ReadHeaderTimeout: headerTimeout, IdleTimeout: o.KeepAlive, MaxHeaderBytes: o.BufferSize,
		ConnState: note, ConnContext: keepConn, DisableGeneralOptionsHandler: true, // of OPTIONS *
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// open prepares the protocols of the sockets.
func (s *server) open() error {
	for _, socket := range s.config.Sockets {
		serve, err := s.protocol(socket)
		if err != nil {
			return err
		}
		s.serves = append(s.serves, serve)
	}
	return nil
}

// begin accepts from the sockets.
func (s *server) begin() {
	s.failed = make(chan error, len(s.serves))
	for _, serve := range s.serves {
		ended := make(chan struct{})
		s.accepts = append(s.accepts, ended)
		go func() {
			err := serve()
			close(ended)
			s.failed <- err
		}()
	}
}

// awaitHandover waits until the server accepts no more from sockets that another server of this process
// accepts from. It is called after retire.
func (s *server) awaitHandover() {
	for i, ended := range s.accepts {
		if s.handed[i] {
			<-ended
		}
	}
}

// abandon is close for a server that has not begun, and leaves the counters to the one before it.
func (s *server) abandon() {
	s.handed = []bool{}
	s.close()
}

// close releases everything except the connections and the sockets.
func (s *server) close() {
	if s.answers != nil {
		s.answers.close()
	}
	if s.requests != nil {
		s.requests.Close(termlog.LastWords)
	}
	if s.counters != nil && s.handed == nil {
		s.counters.free()
	}
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func newBeat(every time.Duration) *time.Ticker {
	t := time.NewTicker(max(every, time.Nanosecond))
	if every <= 0 {
		t.Stop()
	}
	return t
}

func (s *server) notify(state string) {
	if s.config.Notify != nil {
		s.config.Notify(state)
	}
}

// retire ends accepting. New connections go to the other processes, or to the other server of this one,
// that share the sockets. It is called once, before leave.
func (s *server) retire() {
	s.draining.Store(true)
	if s.handed == nil {
		s.counters.accepting.Store(0)
	}
	for i, stop := range s.stops {
		last := lastCall
		if i < len(s.handed) && s.handed[i] {
			last = 0
		}
		stop(last)
	}
}

// leave ends serving without losing a request. From now on each response closes its connection;
// connections that stay idle are closed after the grace. Requests in progress are waited for.
//
// http.Server.Shutdown alone would lose requests: it drops requests that it has read and not
// begun. It is used only to close HTTP/2 connections, and only when nothing is accepted any
// more: failed delivers once for each socket.
func (s *server) leave(ctx context.Context) error {
	began, goodbye, announced, accepting := time.Now(), make(chan error, 1), false, len(s.config.Sockets)
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for {
		open, h2 := s.conns.leave(began, s.config.Grace)
		if open == h2 && !announced && accepting == 0 {
			announced = true
			go func() { goodbye <- s.web.Shutdown(ctx) }()
		}
		if open == 0 && announced {
			return <-goodbye
		}
		select {
		case <-look.C:
		case err := <-s.failed:
			s.config.Log.Debug("stopped accepting from a socket", "reason", err)
			accepting--
		}
	}
}
