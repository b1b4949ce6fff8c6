package webserver

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// directWriter is the http.ResponseWriter of a direct request. The head and a short body are sent in one
// write. A body without a Content-Length is a short text, which is kept until its length is known.
type directWriter struct {
	conn   *conn
	header http.Header
	status int
	silent bool   // the request is HEAD
	out    []byte // head and body that wait; its memory is used again
	body   int64  // bytes of the body so far
	length int64  // of the Content-Length; -1: it is not known yet
	// chunked sends a body of unknown length in parts, with the trailer after it.
	chunked bool
	trailer http.Header
	kind    string // Content-Type of a body without one
	err     error
	ends    bool // the connection ends after the answer
}

var closes, inParts = []string{"close"}, []string{"chunked"}

// keptOut is the most memory that a connection without a request keeps for its next answer.
const keptOut = 32 << 10

func (w *directWriter) begin(r *http.Request) {
	clear(w.header)
	*w = directWriter{conn: w.conn, header: w.header, silent: r.Method == http.MethodHead, ends: r.Close, out: w.out[:0], length: -1}
}

// Header is http.ResponseWriter.
func (w *directWriter) Header() http.Header { return w.header }

// WriteHeader is http.ResponseWriter. Files give no informational answers.
func (w *directWriter) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	if !hasBody(status) {
		w.length, w.chunked = 0, false
		if delete(w.header, "Content-Length"); status == http.StatusNotModified {
			delete(w.header, "Content-Type")
		}
		w.head()
	} else if text := w.header["Content-Length"]; len(text) == 1 {
		if n, err := strconv.ParseInt(text[0], 10, 64); err == nil {
			w.length = n
			w.head()
		}
	} else if w.chunked {
		if w.chunked = !w.silent; w.chunked {
			w.header["Transfer-Encoding"] = inParts
			w.head()
		}
	}
}

// inform sends an informational answer at once.
func (w *directWriter) inform(a *http.Response) error {
	b := appendStatus(w.out[:0], a.StatusCode)
	for name, values := range a.Header {
		for _, v := range values {
			b = appendField(b, name, v)
		}
	}
	w.out = append(b, "\r\n\r\n"...)
	w.flush()
	return w.err
}

func appendStatus(b []byte, status int) []byte {
	b = strconv.AppendInt(append(b, "HTTP/1.1 "...), int64(status), 10)
	b = append(b, ' ')
	if text := http.StatusText(status); text != "" {
		return append(b, text...)
	}
	return strconv.AppendInt(append(b, "status code "...), int64(status), 10)
}

// appendField appends the end of the line before it, too.
func appendField(b []byte, name, value string) []byte {
	return append(append(append(append(b, '\r', '\n'), name...), ": "...), oneLine(value)...)
}

// head queues the status line and the headers. The length is known.
func (w *directWriter) head() {
	if w.ends = w.ends || len(w.header["Connection"]) > 0; w.ends {
		w.header["Connection"] = closes
	}
	body := w.out
	if len(body) > 0 {
		body = append([]byte(nil), body...)
	}
	b := appendStatus(w.out[:0], w.status)
	if w.header["Date"] == nil {
		b = append(append(b, "\r\nDate: "...), date()...)
	}
	if w.kind != "" {
		b = appendField(b, "Content-Type", w.kind)
	}
	for name, values := range w.header {
		for _, v := range values {
			b = appendField(b, name, v)
		}
	}
	w.out = append(append(b, "\r\n\r\n"...), body...)
}

// oneLine keeps the text of a value from ending its line.
func oneLine(v string) string {
	if strings.ContainsAny(v, "\r\n") {
		return strings.NewReplacer("\r", " ", "\n", " ").Replace(v)
	}
	return v
}

// Write sends b as a part of the body, and the head before the first part. The error is http.ErrBodyNotAllowed for a
// status without a body, or the first error of the connection.
func (w *directWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.err != nil {
		return 0, w.err
	}
	if !hasBody(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	w.body += int64(len(b))
	if w.silent {
		return len(b), nil
	}
	if w.chunked {
		w.out = strconv.AppendInt(w.out, int64(len(b)), 16)
		w.out = append(append(append(w.out, "\r\n"...), b...), "\r\n"...)
		if len(w.out) > keptOut/2 {
			w.flush()
		}
		return len(b), w.err
	}
	if w.length >= 0 && len(w.out)+len(b) > keptOut {
		w.flush()
		if w.err == nil {
			_, w.err = w.conn.Write(b)
		}
		return len(b), w.err
	}
	w.out = append(w.out, b...)
	return len(b), nil
}

// ReadFrom lets the kernel use sendfile(2).
func (w *directWriter) ReadFrom(r io.Reader) (n int64, err error) {
	w.WriteHeader(http.StatusOK)
	if w.length < 0 || w.silent {
		return io.Copy(writerOnly{w}, r)
	}
	if w.flush(); w.err != nil {
		return 0, w.err
	}
	n, w.err = w.conn.ReadFrom(r)
	w.body += n
	return n, w.err
}

func (w *directWriter) flush() {
	if len(w.out) > 0 && w.err == nil {
		_, w.err = w.conn.Write(w.out)
	}
	w.out = w.out[:0]
}

// finish sends the rest. After an error the connection ends.
func (w *directWriter) finish() error {
	w.WriteHeader(http.StatusOK)
	switch {
	case w.chunked:
		w.end()
	case w.length < 0:
		if w.header["Content-Type"] == nil && len(w.out) > 0 {
			w.header.Set("Content-Type", http.DetectContentType(w.out))
		}
		if w.length = w.body; !w.silent || w.body > 0 {
			w.header.Set("Content-Length", strconv.FormatInt(w.length, 10))
		}
		w.head()
	}
	if w.flush(); w.err == nil && !w.silent && !w.chunked && w.body != w.length {
		w.err = io.ErrShortWrite
	}
	if w.err != nil {
		w.ends = true
	}
	if cap(w.out) > keptOut {
		w.out = nil
	}
	return w.err
}

// end queues the end of a body in parts.
func (w *directWriter) end() {
	if w.err != nil {
		return
	}
	b := append(w.out, '0')
	for name, values := range w.trailer {
		for _, v := range values {
			b = appendField(b, name, v)
		}
	}
	w.out = append(b, "\r\n\r\n"...)
}

// dated is the text of a Date header and its second.
type dated struct {
	second int64
	text   string
}

var lastDate atomic.Pointer[dated]

// date returns the text of a Date header of this moment.
func date() string {
	now := time.Now()
	d := lastDate.Load()
	if d == nil || d.second != now.Unix() {
		d = &dated{now.Unix(), now.UTC().Format(http.TimeFormat)}
		lastDate.Store(d)
	}
	return d.text
}
