package webserver

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/emperor-go/emperor/internal/revision"
)

const (
	// smallSize is the largest file, in bytes, that is sent from memory: in one write with its
	// headers. Sendfile, with two more system calls, is faster from about this size on.
	smallSize = 16 << 10
	// smallTotal limits the bytes of all small files that a server holds.
	smallTotal = 1 << 20
)

// content is the content of a file, with the headers that depend on it. It is not changed: all
// answers share it.
type content struct {
	small            bool // body is all of it
	body             []byte
	length, modified []string
	kind             []string // by its first bytes
}

// smallFiles holds the content of small files that were requested. The path of each request is
// resolved and opened all the same: only the content is remembered, by the revision of the file.
type smallFiles struct {
	mu    sync.Mutex
	files map[revision.Revision]*content
	bytes int
}

// of returns the content of an open file.
func (c *smallFiles) of(o *opened) (*content, error) {
	v := revision.Of(&o.about)
	if v.Size > smallSize {
		var head [512]byte
		n, err := o.read(head[:])
		return &content{kind: []string{sniff(head[:n])}}, err
	}
	c.mu.Lock()
	f := c.files[v]
	c.mu.Unlock()
	if f != nil {
		return f, nil
	}
	body := make([]byte, v.Size)
	n, err := o.read(body)
	if err != nil {
		return nil, err
	}
	changed := o.modTime()
	f = &content{small: true, body: body[:n], length: []string{strconv.Itoa(n)}, kind: []string{sniff(body[:min(n, 512)])}}
	if !changed.Equal(time.Unix(0, 0)) { // as net/http: an unknown time
		f.modified = []string{changed.UTC().Format(http.TimeFormat)}
	}
	if int64(n) == v.Size && v.Settled(o.seen) {
		c.put(v, f)
	}
	return f, nil
}

// partial are the headers that may ask for another answer than the whole file.
var partial = [...]string{"Range", "If-Modified-Since", "If-None-Match", "If-Match", "If-Unmodified-Since"}

// send answers with the content of an open file.
func (c *content) send(x *exchange, o *opened) {
	if !c.small {
		http.ServeContent(x, withoutOddRange(x.r), "", o.modTime(), o.file())
		return
	}
	for _, name := range partial {
		if x.r.Header[name] != nil {
			http.ServeContent(x, withoutOddRange(x.r), "", o.modTime(), bytes.NewReader(c.body))
			return
		}
	}
	h := x.Header()
	h["Accept-Ranges"], h["Content-Length"] = inBytes, c.length
	if c.modified != nil {
		h["Last-Modified"] = c.modified
	}
	x.WriteHeader(http.StatusOK)
	if x.r.Method != http.MethodHead {
		_, _ = x.Write(c.body)
	}
}

// sniff distinguishes text from binary data. It does not guess further: content that browsers
// execute must have a file name extension for it.
func sniff(head []byte) string {
	const text = "text/plain; charset=utf-8"
	if len(head) > 0 && http.DetectContentType(head) == text {
		return text
	}
	return "application/octet-stream"
}

// put holds the content, in the place of any other where the room is needed.
func (c *smallFiles) put(v revision.Revision, f *content) {
	const overhead = 512 // of an entry without a body, about
	c.mu.Lock()
	defer c.mu.Unlock()
	for other, held := range c.files {
		if c.bytes+overhead+len(f.body) <= smallTotal {
			break
		}
		delete(c.files, other)
		c.bytes -= overhead + len(held.body)
	}
	if c.files == nil {
		c.files = map[revision.Revision]*content{}
	}
	if c.files[v] == nil {
		c.bytes += overhead + len(f.body)
	}
	c.files[v] = f
}
