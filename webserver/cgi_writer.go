package webserver

import (
	"io"
	"net/http"
	"strconv"
	"time"
)

// cgiWriter is the http.ResponseWriter of the protocols of frontends: the status line begins with
// line, and the answer ends without a length. out's errors are reported by its Flush.
type cgiWriter struct {
	out interface {
		io.Writer
		Flush() error
	}
	line   string
	header http.Header
	status int
}

// Header is http.ResponseWriter.
func (w *cgiWriter) Header() http.Header { return w.header }

// WriteHeader is http.ResponseWriter. It drops informational answers, which need HTTP/1.1.
func (w *cgiWriter) WriteHeader(status int) {
	if w.status != 0 || status < 200 {
		return
	}
	w.status = status
	if len(w.header["Date"]) == 0 {
		w.header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	}
	w.header.Del("Connection")
	w.header.Del("Transfer-Encoding")
	_, _ = io.WriteString(w.out, w.line+strconv.Itoa(status)+" "+http.StatusText(status)+"\r\n")
	_ = w.header.Write(w.out)
	_, _ = io.WriteString(w.out, "\r\n")
}

// Write sends b as a part of the body. The first Write adds a missing status (200) and Content-Type.
func (w *cgiWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		if w.header.Get("Content-Type") == "" {
			w.header.Set("Content-Type", http.DetectContentType(b))
		}
		w.WriteHeader(http.StatusOK)
	}
	return w.out.Write(b)
}

// Flush is http.Flusher.
func (w *cgiWriter) Flush() {
	w.flushHeader()
	_ = w.out.Flush()
}

// flushHeader makes sure that there is a header.
func (w *cgiWriter) flushHeader() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
}
