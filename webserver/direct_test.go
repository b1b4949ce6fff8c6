package webserver

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// directOptions serve a tree by all that files know: an index, a twin, an expiry, another header.
func directOptions(t testing.TB) serving.Options {
	t.Helper()
	dir := tree(t, map[string]string{
		"index.html": "<p>index", "a.txt": "text", "a.txt.gz": "not really", "empty": "", "dir/index.html": "<p>dir", "no/dir": "x", "large.bin": strings.Repeat("0123456789abcdef", 16<<10),
		"out": "->/etc/passwd", "in": "->DIR/a.txt", "secret": "x",
	})
	before := time.Now().Add(-time.Hour)
	for _, name := range []string{"index.html", "a.txt", "a.txt.gz", "empty", "dir/index.html", "large.bin"} {
		if err := os.Chtimes(filepath.Join(dir, name), before, before); err != nil {
			t.Fatal(err)
		}
	}
	return serving.Options{
		StaticMaps: []serving.Map{{Mount: "/", Dir: dir}}, Gzip: serving.Gzip{Suffixes: []string{".txt"}}, AddHeaders: []string{"X-Added: a", "X-Added: b"},
		Expires: []serving.Expires{{Subject: "type", Pattern: "text/html", Seconds: 3600, FromMtime: true}}, StaticSkipExt: []string{".bak"},
	}
}

// conversations are bytes of a client, whose last request ends its connection or is refused.
func conversations() []string {
	const host, end = "Host: x\r\n", "Connection: close\r\n\r\n"
	get := func(target string, headers ...string) string {
		return "GET " + target + " HTTP/1.1\r\n" + host + strings.Join(append(headers, ""), "\r\n") + "\r\n"
	}
	last := func(target string, headers ...string) string {
		return get(target, append(headers, "Connection: close")...)
	}
	list := []string{
		last("/"), last("/a.txt"), last("/a.txt?v=1"), last("/a.txt?"), last("/a.txt?a=%41&b=??"), last("/empty"), last("/dir"), last("/dir?x=1"), last("/dir/"), last("/dir/index.html"),
		last("/a.txt/"), last("/no"), last("/missing"), last("/%61.txt"), last("//a.txt"), last("/./a.txt"), last("/dir/../a.txt"), last("/../a.txt"), last("/..%2fa.txt"), last("/a\"b"),
		last("/large.bin"), last("/large.bin", "Range: bytes=5-9"), last("/a.txt", "Range: bytes=1-2"), last("/a.txt", "Range: bytes=9-"), last("/a.txt", "Range: lines=1"),
		last("/a.txt", "Range: bytes=0-0,2-2"), last("/out"), last("/in"), last("/x.bak"),
		last("/a.txt", "Accept-Encoding: gzip"), last("/a.txt", "accept-encoding: br, GZIP;q=0"), last("/a.txt", "If-None-Match: *"),
		last("/a.txt", "If-Modified-Since: "+time.Now().UTC().Format(http.TimeFormat)), last("/large.bin", "If-Modified-Since: "+time.Now().UTC().Format(http.TimeFormat)),
		last("/a.txt", "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"), last("/a.txt", "Referer: \t spaced  "), last("/a.txt", "X-A: 1", "X-A: 2"), last("/a.txt", "X-Utf: \xc3\xa4"),
		"HEAD /a.txt HTTP/1.1\r\n" + host + end, "HEAD /large.bin HTTP/1.1\r\n" + host + end, "HEAD /dir HTTP/1.1\r\n" + host + end, "HEAD /missing HTTP/1.1\r\n" + host + end,
		"POST /a.txt HTTP/1.1\r\n" + host + "Content-Length: 3\r\n" + end + "abc", "DELETE /a.txt HTTP/1.1\r\n" + host + end, "OPTIONS * HTTP/1.1\r\n" + host + end,
		"GET /a.txt HTTP/1.0\r\n\r\n", "GET /a.txt HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n" + last("/"), "GET http://x/a.txt HTTP/1.1\r\n" + host + end,
		// Requests on one connection: of files, of others, and of files again.
		get("/a.txt") + get("/dir/") + last("/"), get("/a.txt") + get("/missing") + last("/"), get("/large.bin") + get("/a.txt") + last("/large.bin"),
		get("/a.txt") + "POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc" + last("/a.txt"), get("/a.txt", "Connection: Keep-Alive") + last("/"),
		get("/a.txt") + "HEAD /a.txt HTTP/1.1\r\n" + host + "\r\n" + last("/a.txt"),
		// Requests that are invalid, or that two readers may read in two ways.
		"GET /a.txt HTTP/1.1\r\n\r\n", "GET /a.txt HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "GET /a.txt HTTP/1.1\r\nHost: x y\r\n\r\n", "GET /a.txt HTTP/1.1\r\nHost:\r\n" + end,
		"GET /a.txt HTTP/1.1\r\nHost: x\r\n folded: y\r\n" + end, "GET /a.txt HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n" + end, "GET /a.txt HTTP/1.1\r\nHost : x\r\n" + end,
		"GET /a.txt HTTP/1.1\r\nHost: x\r\nX: a\x01b\r\n" + end, "GET /a.txt HTTP/1.1\r\nHost: x\r\nno colon\r\n" + end, "GET /a.txt HTTP/1.1\nHost: x\nConnection: close\n\n",
		"GET /a.txt HTTP/1.1\r\nHost: x\nX: y\r\n" + end, "GET  /a.txt HTTP/1.1\r\n" + host + end, "GET /a.txt  HTTP/1.1\r\n" + host + end, "GET /a b HTTP/1.1\r\n" + host + end, "GET /a.txt\r\n\r\n",
		"GET /a.txt HTTP/1.2\r\n" + host + end, "GET /a.txt HTTP/2.0\r\n" + host + end, "get /a.txt HTTP/1.1\r\n" + host + end, "\r\n" + last("/a.txt"),
		last("/a.txt", "Content-Length: 0"), last("/a.txt", "Transfer-Encoding: chunked") + "0\r\n\r\n", last("/a.txt", "Transfer-Encoding: gzip"), last("/a.txt", "Expect: 100-continue"),
		last("/a.txt", "Expect: a miracle"), last("/a.txt", "Upgrade: h2c"), last("/a.txt", "Connection: X-A"), last("/a.txt", "X-Long: "+strings.Repeat("x", 8<<10)),
		last("/" + strings.Repeat("x", 5<<10)), last("/a.txt", "X-Huge: "+strings.Repeat("x", 100<<10)),
	}
	var many []string
	for i := range 40 {
		many = append(many, fmt.Sprintf("X-%d: %d", i, i))
	}
	return append(list, last("/a.txt", many...))
}

var dateLine = regexp.MustCompile(`(?m)^Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r$`)

// answersOf returns the answers on a connection. Their headers are sorted, without the date.
func answersOf(t *testing.T, s *running, text string, pause time.Duration) (list []string) {
	t.Helper()
	c, err := net.Dial("tcp", s.addr["http-socket"])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if pause > 0 {
		for _, b := range []byte(text) {
			_, _ = c.Write([]byte{b})
			time.Sleep(pause)
		}
	} else if _, err := io.WriteString(c, text); err != nil {
		return []string{"cannot write"}
	}
	in := bufio.NewReader(c)
	methods := regexp.MustCompile(`(?m)^(GET|HEAD|POST|DELETE|OPTIONS) `).FindAllStringSubmatch(text, -1)
	for i := 0; ; i++ {
		head, err := in.Peek(1)
		if len(head) == 0 || err != nil {
			return list
		}
		var raw bytes.Buffer
		r := &http.Request{Method: http.MethodGet}
		if i < len(methods) {
			r.Method = methods[i][1]
		}
		a, err := http.ReadResponse(bufio.NewReader(io.TeeReader(oneByte{in}, &raw)), r)
		if err != nil {
			return append(list, "broken: "+err.Error())
		}
		body, err := io.ReadAll(io.LimitReader(io.MultiReader(a.Body), 1<<20))
		boundary := regexp.MustCompile(`boundary=(\w+)`).FindStringSubmatch(a.Header.Get("Content-Type"))
		text, _, _ := strings.Cut(raw.String(), "\r\n\r\n")
		if !dateLine.MatchString(text+"\r\n") && a.StatusCode != http.StatusBadRequest {
			text += "\r\nNO DATE"
		}
		lines := strings.Split(strings.ReplaceAll(dateLine.ReplaceAllString(text+"\r", ""), "\r", ""), "\n")
		slices.Sort(lines[1:])
		answer := fmt.Sprintf("%s\n\n%q %v", strings.Join(lines, "\n"), body, err)
		if len(boundary) == 2 {
			answer = strings.ReplaceAll(answer, boundary[1], "BOUNDARY")
		}
		list = append(list, regexp.MustCompile(`\n{2,}`).ReplaceAllString(answer, "\n"))
	}
}

// oneByte reads no more than is asked for.
type oneByte struct{ io.Reader }

func (o oneByte) Read(b []byte) (int, error) { return o.Reader.Read(b[:min(1, len(b))]) }

// Direct answers are the ones that net/http would have sent: to the same requests, with the same headers, on a
// connection that ends at the same time. So are the lines of the log and the statistics.
func TestDirectAnswers(t *testing.T) {
	o := directOptions(t)
	o.Log.Format = `%(addr) %(method) %(uri) %(proto) %(status) %(rsize) %(host) %(referer)`
	direct := start(t, o)
	o.RequestTimeout = time.Hour
	other := start(t, o)
	for _, text := range conversations() {
		got, want := answersOf(t, direct, text, 0), answersOf(t, other, text, 0)
		if !slices.Equal(got, want) {
			t.Errorf("%.200q\nis answered by\n%.3000s\ninstead of\n%.3000s", text, strings.Join(got, "\n---\n"), strings.Join(want, "\n---\n"))
		}
	}
	eventually(t, "both have logged all", func() bool {
		return strings.Count(direct.access.String(), "\n") == strings.Count(other.access.String(), "\n")
	})
	lines, wanted := strings.Split(direct.access.String(), "\n"), strings.Split(other.access.String(), "\n")
	if !slices.Equal(lines, wanted) {
		for i, line := range lines {
			if line != wanted[i] {
				t.Errorf("logged: %q\nwant:   %q", line, wanted[i])
			}
		}
	}
}

// A client may send a request in any pieces, and several ones together.
func TestDirectPieces(t *testing.T) {
	o := directOptions(t)
	direct := start(t, o)
	o.RequestTimeout = time.Hour
	other := start(t, o)
	const text = "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGET /missing HTTP/1.1\r\nHost: x\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	want := answersOf(t, other, text, 0)
	if len(want) != 4 {
		t.Fatalf("%d answers: %s", len(want), want)
	}
	for _, pause := range []time.Duration{0, time.Microsecond, time.Millisecond} {
		if got := answersOf(t, direct, text, pause); !slices.Equal(got, want) {
			t.Errorf("with pauses of %v: %s", pause, got)
		}
	}
}

// sink is a connection that takes all.
type sink struct{ net.Conn }

func (sink) Write(b []byte) (int, error)      { return len(b), nil }
func (sink) SetWriteDeadline(time.Time) error { return nil }

// A direct answer from memory allocates the text of the request and the path for the kernel only.
func TestDirectAllocations(t *testing.T) {
	o := directOptions(t)
	o.AddHeaders, o.Expires, o.Gzip = nil, nil, serving.Gzip{}
	s, err := newServer(&Config{Options: o, Log: nullLog, AccessLog: io.Discard}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.answers.close()
	d := newDirect(s, s.conns.add(sink{}, time.Minute), nil)
	d.remote = "192.0.2.1:5"
	head := []byte("GET /a.txt HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\n")
	time.Sleep(50 * time.Millisecond) // the content of a file that has just changed is not held
	n := testing.AllocsPerRun(100, func() {
		if !d.request.parse(string(head)) || !d.answer() || d.w.status != http.StatusOK {
			t.Fatal("it is not answered")
		}
	})
	if n > 2 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDirectRequest: a request that is read here is one that net/http reads in the same way.
func FuzzDirectRequest(f *testing.F) {
	for _, text := range conversations() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		end := strings.Index(text, "\r\n\r\n")
		if end < 0 {
			return
		}
		var got directRequest
		if !got.parse(text[:end+2]) {
			return
		}
		want, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text[:end+4])))
		if err != nil {
			t.Fatalf("%q is invalid: %v", text, err)
		}
		if got.Method != want.Method || got.Proto != want.Proto || *got.URL != *want.URL || got.RequestURI != want.RequestURI || got.Host != want.Host || got.Close != want.Close {
			t.Errorf("%q is read as %+v instead of %+v", text, got.Request, want)
		}
		if want.ContentLength != 0 || len(want.TransferEncoding) > 0 || want.Body != http.NoBody {
			t.Errorf("%q has a body", text)
		}
		if len(got.Header) != len(want.Header) {
			t.Errorf("%q has the headers %v instead of %v", text, got.Header, want.Header)
		}
		for name, values := range want.Header {
			if !slices.Equal(got.Header[name], values) {
				t.Errorf("%q: %s is %q instead of %q", text, name, got.Header[name], values)
			}
		}
	})
}
