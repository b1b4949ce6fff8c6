package server

import (
	"errors"
	"net"
	"net/http"
	"net/http/fcgi"
	"time"
)

// Records of FastCGI, as far as their sizes and ends matter here.
const (
	fcgiBegin  = 1
	fcgiEnd    = 3
	fcgiParams = 4
	fcgiStdin  = 5
)

// errParams is what ends a connection that sends too many parameters.
var errParams = errors.New("FastCGI parameters are larger than buffer-size")

// serveFastCGI serves a socket until it is stopped.
func (s *server) serveFastCGI(l *listener) error {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.survive()
		if r.RequestURI == "" {
			r.RequestURI = fcgi.ProcessEnv(r)["REQUEST_URI"]
		}
		if r.RequestURI == "" {
			r.RequestURI = r.URL.RequestURI()
		}
		s.ServeHTTP(w, r)
	})
	return fcgi.Serve(&fcgiListener{l, s}, handler)
}

// fcgiListener bounds what net/http/fcgi does not.
type fcgiListener struct {
	*listener
	server *server
}

func (l *fcgiListener) Accept() (net.Conn, error) {
	n, err := l.listener.Accept()
	if err != nil {
		return nil, err
	}
	f := &fcgiConn{conn: n.(*conn), server: l.server}
	return f, f.SetReadDeadline(time.Now().Add(headerTimeout))
}

// fcgiConn follows the records that pass, and bounds the size of parameters and
// the time a frontend may take for them and for the body. While a request is
// answered, nothing is waited for: net/http/fcgi reads ahead.
type fcgiConn struct {
	*conn
	server *server
	params int
	head   [8]byte
	have   int // bytes of head
	left   int // bytes of content and padding to come
}

func (f *fcgiConn) Read(b []byte) (int, error) {
	n, err := f.conn.Read(b)
	if n > 0 {
		if bad := f.follow(b[:n]); bad != nil {
			return 0, bad
		}
	}
	return n, err
}

// follow takes bytes as they come.
func (f *fcgiConn) follow(b []byte) error {
	for len(b) > 0 {
		if f.left > 0 {
			n := min(f.left, len(b))
			f.left, b = f.left-n, b[n:]
			continue
		}
		n := copy(f.head[f.have:], b)
		f.have, b = f.have+n, b[n:]
		if f.have < len(f.head) {
			return nil
		}
		size := int(f.head[4])<<8 | int(f.head[5])
		f.have, f.left = 0, size+int(f.head[6])
		if err := f.record(f.head[1], size); err != nil {
			return err
		}
	}
	return nil
}

func (f *fcgiConn) record(kind byte, size int) error {
	wait := time.Now().Add(f.timeout)
	switch kind {
	case fcgiBegin:
		f.setIdle(false)
		f.params = 0
	case fcgiParams:
		if f.params += size; f.params > f.server.Options.BufferSize {
			return errParams
		}
	case fcgiStdin:
		if size == 0 {
			wait = time.Time{} // the request is complete
		}
	}
	return f.SetReadDeadline(wait)
}

// Write gets one record at a time, and sees by the last one that the connection
// is idle. A frontend that keeps it has to come back elsewhere when the server
// is to stop.
func (f *fcgiConn) Write(b []byte) (int, error) {
	ends := len(b) >= len(f.head) && b[1] == fcgiEnd
	if ends {
		f.setIdle(true)
		_ = f.SetReadDeadline(time.Now().Add(f.server.Options.KeepAlive))
	}
	n, err := f.conn.Write(b)
	if ends && f.server.draining.Load() {
		f.Close()
	}
	return n, err
}
