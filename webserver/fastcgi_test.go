package webserver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/fcgi"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// numbered changes the number of a request in its records.
func numbered(id byte, records []byte) []byte {
	records = bytes.Clone(records)
	for at := 0; at < len(records); at += 8 + int(binary.BigEndian.Uint16(records[at+4:])) {
		records[at+3] = id
	}
	return records
}

// answered reads records until the end of a connection, or until it is silent, as text: the
// content of each stream, and the ends.
func answered(t *testing.T, c net.Conn) string {
	t.Helper()
	streams, ends, over := map[uint16]string{}, []string{}, ""
	_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	for in := (fcgiReader{in: c}); ; {
		rec, err := in.next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				over = "closed"
			}
			break
		}
		switch rec.kind {
		case fcgiStdout:
			streams[rec.id] += string(rec.content)
			if len(rec.content) == 0 {
				streams[rec.id] += "|"
			}
		default:
			ends = append(ends, fmt.Sprintf("%d %d %q\n", rec.kind, rec.id, rec.content))
		}
	}
	slices.Sort(ends) // requests end in any order
	text := ""
	for _, id := range []uint16{1, 2} {
		text += streams[id] + "\n"
	}
	return regexp.MustCompile(`(?m)^Date: .*\n`).ReplaceAllString(text, "") + strings.Join(ends, "") + over
}

// The protocol is the one of net/http/fcgi: the same records give the same answers.
func TestFastCGIAsNetHTTP(t *testing.T) {
	reference, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer reference.Close()
	echo := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/x-test")
		fmt.Fprintf(w, "%s %s %s %d %v %s %s", r.Method, r.URL, r.Host, len(body), err, r.Header.Get("X-Long"), r.RemoteAddr)
	}
	go func() { _ = fcgi.Serve(reference, http.HandlerFunc(echo)) }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go echoFastCGI(l, echo)

	long := strings.Repeat("long ", 100)
	vars := []string{"REQUEST_METHOD", "POST", "REQUEST_URI", "/a?b", "SERVER_PROTOCOL", "HTTP/1.1", "HTTP_HOST", "x", "REMOTE_ADDR", "10.0.0.9", "REMOTE_PORT", "7"}
	plain := fcgiAsk(1, "", vars...)
	pair := binary.BigEndian.AppendUint32([]byte{byte(len("HTTP_X_LONG"))}, 1<<31|uint32(len(long)))
	pair = append(pair, "HTTP_X_LONG"+long...)
	withLong := slices.Concat(plain[:16], fcgiBytes(fcgiParams, 1, pair...), plain[16:])
	split := slices.Concat(plain[:16], fcgiBytes(fcgiParams, 1, pair[:40]...), fcgiBytes(fcgiParams, 1, pair[40:]...), plain[16:])
	padded := slices.Concat(bytes.Clone(plain[:16]), []byte("pad"), plain[16:])
	padded[6] = 3
	large := strings.Repeat("body", 10000)
	two := slices.Concat(plain[:16], numbered(2, plain[:16]), plain[16:], numbered(2, plain[16:]))
	for name, records := range map[string][]byte{
		"one request":           plain,
		"a body":                fcgiAsk(1, "a body", vars...),
		"a large body":          fcgiAsk(1, large, vars...),
		"not kept":              fcgiAsk(0, "a body", vars...),
		"a long value":          withLong,
		"a value in parts":      split,
		"padding":               padded,
		"two, one in the other": two,
		"an unknown request":    append(fcgiBytes(fcgiStdin, 2, 'x'), plain...),
		"another role":          append(fcgiBytes(fcgiBegin, 2, 0, 2, 1, 0, 0, 0, 0, 0), plain...),
		"which values":          append(fcgiBytes(fcgiGetValues, 0), plain...),
		"the same number twice": append(bytes.Clone(plain[:16]), plain...),
		"another version":       append([]byte{2}, plain[1:]...),
		"an abort":              append(bytes.Clone(plain[:16]), fcgiBytes(fcgiAbort, 1)...),
	} {
		got := map[string]string{}
		for server, address := range map[string]string{"ours": l.Addr().String(), "theirs": reference.Addr().String()} {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(records); err != nil {
				t.Fatal(err)
			}
			got[server] = answered(t, c)
			c.Close()
		}
		theirs := strings.Replace(got["theirs"], "10 0 \"\"\n", "", 1) // an empty record after the values
		if got["ours"] != theirs {
			t.Errorf("%s:\nours   %q\ntheirs %q", name, got["ours"], theirs)
		}
	}
}

// echoFastCGI serves a handler by our protocol.
func echoFastCGI(l net.Listener, handler http.HandlerFunc) {
	for conns := (&connections{}); ; {
		n, err := l.Accept()
		if err != nil {
			return
		}
		f := newFCGIConn(conns.add(n, time.Second), &server{config: Config{Log: slog.New(slog.DiscardHandler), Options: serving.Options{BufferSize: 1 << 20, KeepAlive: time.Minute}}})
		f.handler = handler
		go f.serve()
	}
}

// A request that is aborted while it is answered ends once, and the others on its connection go
// on.
func TestFastCGIAbortOfOneOfTwo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	aborted, other := make(chan struct{}), make(chan struct{})
	go echoFastCGI(l, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/first":
			<-r.Context().Done()
			fmt.Fprint(w, "too late")
			close(aborted)
		default:
			<-other
			fmt.Fprintf(w, "second %v", r.Context().Err())
		}
	})
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func(path string) []byte {
		return fcgiAsk(1, "", "REQUEST_METHOD", "GET", "REQUEST_URI", path, "SERVER_PROTOCOL", "HTTP/1.1", "HTTP_HOST", "x")
	}
	if _, err := c.Write(slices.Concat(ask("/first"), numbered(2, ask("/second")), fcgiBytes(fcgiAbort, 1))); err != nil {
		t.Fatal(err)
	}
	<-aborted
	close(other)
	if got, end := answered(t, c), fmt.Sprintf("3 1 %q\n3 2 %[1]q\n", string(make([]byte, 8))); !strings.HasSuffix(got, end) || strings.Contains(got, "too late") || !strings.Contains(got, "second <nil>|") {
		t.Errorf("got %q", got)
	}
}

// Any bytes are records or an error, and any parameters are variables.
func FuzzFastCGI(f *testing.F) {
	f.Add(fcgiAsk(1, "a body", "REQUEST_METHOD", "GET", "A", strings.Repeat("x", 100)))
	f.Add([]byte("\x01\x04\x00\x01\x00\x05\x03\x00\x80\x00\x00\x01a\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := 0
		for in := (fcgiReader{in: bytes.NewReader(b)}); ; {
			rec, err := in.next()
			if err != nil {
				break
			}
			size := 0
			for name, value := range fcgiPairs(rec.content) {
				size += len(name) + len(value)
			}
			if size > len(rec.content) {
				t.Errorf("%d bytes of variables in %d", size, len(rec.content))
			}
			if whole += 8 + len(rec.content); whole > len(b) {
				t.Fatalf("records of %d bytes in %d", whole, len(b))
			}
		}
	})
}
