package webserver

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// packet encodes a request of the uwsgi protocol.
func packet(vars ...string) []byte {
	var b []byte
	for _, v := range vars {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(v)))
		b = append(b, v...)
	}
	return append([]byte{0, byte(len(b)), byte(len(b) >> 8), 0}, b...)
}

// exchangeRaw sends bytes to a socket and returns all bytes that come back.
func (s *running) exchangeRaw(name string, b []byte) string {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr[name])
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write(b); err != nil {
		s.t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		s.t.Error(err)
	}
	return string(answer)
}

func TestUwsgi(t *testing.T) {
	s := start(t, serving.Options{
		CheckStatic: []string{tree(t, map[string]string{"a": "text of a"})}, LimitPost: 1000,
		HTTPTo: []string{backend(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %q %s", r.Method, r.URL, body, r.Header.Get("X-Forwarded-For"))
		})},
		Log: serving.Log{Format: "%(addr) %(method) %(uri) %(status) %(vars) %(pktsize)"},
	}, "uwsgi-socket", "socket")
	get := packet("REQUEST_METHOD", "GET", "REQUEST_URI", "/a", "SERVER_PROTOCOL", "HTTP/1.1", "HTTP_HOST", "x", "REMOTE_ADDR", "10.1.2.3", "REMOTE_PORT", "9")
	for _, name := range []string{"uwsgi-socket", "socket"} {
		if got := s.exchangeRaw(name, get); !strings.HasPrefix(got, "HTTP/1.0 200 OK\r\n") || !strings.HasSuffix(got, "\r\n\r\ntext of a") {
			t.Errorf("%s: %q", name, got)
		}
	}
	eventually(t, "the request is logged", func() bool { return strings.Contains(s.access.String(), "10.1.2.3 GET /a 200 6 ") })
	post := packet("REQUEST_METHOD", "POST", "REQUEST_URI", "/p?q", "SERVER_PROTOCOL", "HTTP/1.1", "CONTENT_LENGTH", "4", "HTTP_HOST", "x", "REMOTE_ADDR", "10.1.2.3")
	if got := s.exchangeRaw("socket", append(post, "body"...)); !strings.HasSuffix(got, `POST /p?q "body" 10.1.2.3`) {
		t.Errorf("POST: %q", got)
	}
	head := packet("REQUEST_METHOD", "HEAD", "REQUEST_URI", "/a", "HTTP_HOST", "x")
	if got := s.exchangeRaw("socket", head); !strings.Contains(got, "Content-Length: 9") || !strings.HasSuffix(got, "\r\n\r\n") {
		t.Errorf("HEAD: %q", got)
	}
	if got := s.exchangeRaw("socket", packet("REQUEST_METHOD", "GET", "PATH_INFO", "/a")); !strings.HasPrefix(got, "HTTP/1.0 200") {
		t.Errorf("PATH_INFO alone: %q", got)
	}
	rewritten := packet("REQUEST_METHOD", "PUT", "REQUEST_URI", "/old%20?q", "SCRIPT_NAME", "", "PATH_INFO", "/new ?", "QUERY_STRING", "r", "HTTP_HOST", "x")
	if got := s.exchangeRaw("socket", rewritten); !strings.Contains(got, "PUT /new%20%3F?r ") {
		t.Errorf("rewritten by the frontend: %q", got)
	}
	eventually(t, "what was asked for is logged", func() bool { return strings.Contains(s.access.String(), "PUT /old%20?q 200 ") })
	negative := packet("REQUEST_METHOD", "POST", "REQUEST_URI", "/p", "CONTENT_LENGTH", "-4", "HTTP_HOST", "x")
	if got := s.exchangeRaw("socket", append(negative, "body"...)); !strings.HasPrefix(got, "HTTP/1.0 400") {
		t.Errorf("negative length: %q", got)
	}
	if got := s.exchangeRaw("socket", packet("REQUEST_METHOD", "GET")); !strings.HasPrefix(got, "HTTP/1.0 400") {
		t.Errorf("without a path: %q", got)
	}
	large := packet("REQUEST_METHOD", "POST", "REQUEST_URI", "/p", "CONTENT_LENGTH", "1001")
	if got := s.exchangeRaw("socket", append(large, make([]byte, 1001)...)); !strings.HasPrefix(got, "HTTP/1.0 413") {
		t.Errorf("large body: %q", got)
	}
	for what, bad := range map[string][]byte{"modifier": {5, 0, 0, 0}, "size": {0, 4, 0, 0, 9, 0, 'a', 'b'}, "no name": {0, 4, 0, 0, 0, 0, 0, 0}} {
		if got := s.exchangeRaw("socket", bad); got != "" {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// TestAnswersWithoutBody: a handler that writes a body where there can be none does no harm,
// with any protocol, and the log does not count the body.
func TestAnswersWithoutBody(t *testing.T) {
	s := start(t, serving.Options{
		Routes: routes(t, "route = ^/empty break:204 No Content", "route = ^/same break:304 Not Modified", "route-run = break:403 no"),
		Log:    serving.Log{Format: "%(method) %(uri) %(status) %(size)"},
	}, "http-socket", "uwsgi-socket", "fastcgi-socket")
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/empty", "204"}, {"GET", "/same", "304"}, {"HEAD", "/x", "403"},
	} {
		vars := []string{"REQUEST_METHOD", c.method, "REQUEST_URI", c.path, "SERVER_PROTOCOL", "HTTP/1.1", "HTTP_HOST", "x"}
		for name, ask := range map[string]string{
			"http-socket":    c.method + " " + c.path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			"uwsgi-socket":   string(packet(vars...)),
			"fastcgi-socket": string(fcgiAsk(0, "", vars...)),
		} {
			got := s.exchangeRaw(name, []byte(ask))
			if name == "fastcgi-socket" {
				got = fcgiAnswer(t, strings.NewReader(got))
			}
			if head, body, ok := strings.Cut(got, "\r\n\r\n"); !ok || body != "" || !strings.Contains(head, " "+c.want+" ") {
				t.Errorf("%s %s %s: %q", name, c.method, c.path, got)
			}
		}
		line := c.method + " " + c.path + " " + c.want + " 0\n"
		eventually(t, "three lines "+line, func() bool { return strings.Count(s.access.String(), line) == 3 })
	}
}

func TestPacketLargerThanBufferSize(t *testing.T) {
	if _, _, err := readVars(bytes.NewReader(packet("A", strings.Repeat("x", 5000))), 4096); err == nil {
		t.Error("taken")
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(packet("REQUEST_METHOD", "GET", "REQUEST_URI", "/a?b", "HTTP_HOST", "x", "CONTENT_LENGTH", "3"))
	f.Add(packet("PATH_INFO", "//x/../y", "SERVER_PROTOCOL", "HTTP/1.1", "REMOTE_ADDR", "::1"))
	f.Add([]byte{0, 4, 0, 0, 9, 0, 'a', 'b'})
	f.Fuzz(func(t *testing.T, data []byte) {
		vars, size, err := readVars(bytes.NewReader(data), 4096)
		if err != nil {
			return
		}
		if size > 4096 || size+4 > len(data) {
			t.Errorf("size %d of %d bytes", size, len(data))
		}
		r, err := newRequest(vars)
		if err == nil && (r.URL == nil || r.Header == nil || r.ContentLength < 0) {
			t.Errorf("%v: half a request %+v", vars, r)
		}
	})
}

// record encodes a FastCGI record.
func record(kind byte, content string) []byte {
	return append([]byte{1, kind, 0, 1, byte(len(content) >> 8), byte(len(content)), 0, 0}, content...)
}

func fcgiAsk(keep byte, body string, pairs ...string) []byte {
	var params strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		params.WriteByte(byte(len(pairs[i])))
		params.WriteByte(byte(len(pairs[i+1])))
		params.WriteString(pairs[i] + pairs[i+1])
	}
	b := record(fcgiBegin, string([]byte{0, 1, keep, 0, 0, 0, 0, 0}))
	b = append(b, record(fcgiParams, params.String())...)
	b = append(b, record(fcgiParams, "")...)
	if body != "" {
		b = append(b, record(fcgiStdin, body)...)
	}
	return append(b, record(fcgiStdin, "")...)
}

// fcgiAnswer reads one answer.
func fcgiAnswer(t *testing.T, r io.Reader) string {
	t.Helper()
	var out strings.Builder
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			t.Fatal(err)
		}
		content := make([]byte, int(head[4])<<8|int(head[5])+int(head[6]))
		if _, err := io.ReadFull(r, content); err != nil {
			t.Fatal(err)
		}
		if head[1] == fcgiEnd {
			return out.String()
		}
		out.Write(content[:len(content)-int(head[6])])
	}
}

func TestFastCGI(t *testing.T) {
	s := start(t, serving.Options{CheckStatic: []string{tree(t, map[string]string{"a": "text of a"})}, Log: serving.Log{Format: "%(addr) %(uri)"}}, "fastcgi-socket")
	c, err := net.Dial("tcp", s.addr["fastcgi-socket"])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	ask := fcgiAsk(1, "", "REQUEST_METHOD", "GET", "REQUEST_URI", "/a", "SERVER_PROTOCOL", "HTTP/1.1", "HTTP_HOST", "x", "REMOTE_ADDR", "10.0.0.9")
	for range 2 { // the connection is kept
		if _, err := c.Write(ask); err != nil {
			t.Fatal(err)
		}
		if got := fcgiAnswer(t, c); !strings.HasPrefix(got, "Status: 200 OK\r\n") || !strings.HasSuffix(got, "\r\n\r\ntext of a") {
			t.Errorf("%q", got)
		}
	}
	if !strings.Contains(s.access.String(), "10.0.0.9 /a\n") {
		t.Errorf("log %q", s.access)
	}
	s.end() // closes the connection that is kept
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read %d, %v", n, err)
	}
}

func TestFastCGIParameters(t *testing.T) {
	s := start(t, serving.Options{CheckStatic: []string{t.TempDir()}, BufferSize: 4096}, "fastcgi-socket")
	b := record(fcgiBegin, string([]byte{0, 1, 0, 0, 0, 0, 0, 0}))
	for range 10 {
		b = append(b, record(fcgiParams, strings.Repeat("x", 1000))...)
	}
	c, err := net.Dial("tcp", s.addr["fastcgi-socket"])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = c.Write(b)
	if _, err := io.ReadAll(c); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error("the connection stays")
	}
}

// certificate writes a new self-signed pair.
func certificate(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"crt": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// peer connects and returns the name in the server's certificate.
func (s *running) peer(config *tls.Config) (string, error) {
	s.t.Helper()
	c, err := (&tls.Dialer{Config: config}).DialContext(context.Background(), "tcp", s.addr["https-socket"])
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName, nil
}

func TestHTTPS(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir, "first")
	s := start(t, serving.Options{
		CheckStatic:  []string{tree(t, map[string]string{"a": "text of a"})},
		Certificates: []serving.Certificate{{Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key")}},
		Routes:       routes(t, "route-if-not = equal:${HTTPS};on break:400"),
	}, "https-socket")
	insecure := &tls.Config{InsecureSkipVerify: true}
	for _, h2 := range []bool{false, true} {
		tr := &http.Transport{TLSClientConfig: insecure.Clone(), ForceAttemptHTTP2: h2}
		r, err := (&http.Client{Transport: tr}).Get("https://" + s.addr["https-socket"] + "/a")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		tr.CloseIdleConnections()
		if want := map[bool]int{false: 1, true: 2}[h2]; r.ProtoMajor != want || string(body) != "text of a" {
			t.Errorf("%s %d %q", r.Proto, r.StatusCode, body)
		}
	}
	if name, err := s.peer(insecure); name != "first" {
		t.Errorf("%q %v", name, err)
	}
	certificate(t, dir, "second")
	eventually(t, "the new certificate is used", func() bool { name, _ := s.peer(insecure); return name == "second" })
	if err := os.WriteFile(filepath.Join(dir, "crt"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broken one is reported", func() bool {
		name, err := s.peer(insecure)
		if name != "second" {
			t.Fatalf("%q %v", name, err)
		}
		return strings.Contains(s.log.String(), "keeping the previous certificate")
	})
	if _, err := s.peer(&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

// An error about a certificate names its socket.
func TestHTTPSWithoutFiles(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = Serve(t.Context(), &Config{
		Options: serving.Options{CheckStatic: []string{"/"}, Certificates: []serving.Certificate{{Address: ":443", Cert: "/gone.crt", Key: "/gone.key"}}},
		Sockets: []Socket{{"https-socket", l}}, Log: slog.New(slog.DiscardHandler), AccessLog: io.Discard,
	})
	if want := `cannot serve https-socket :443: cannot use certificate "/gone.crt" with key "/gone.key": open /gone.crt`; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestHTTPSClientCertificates(t *testing.T) {
	dir, clients := t.TempDir(), t.TempDir()
	certificate(t, dir, "server")
	certificate(t, clients, "client")
	s := start(t, serving.Options{
		CheckStatic:  []string{tree(t, map[string]string{"a": "a"})},
		Certificates: []serving.Certificate{{Cert: filepath.Join(dir, "crt"), Key: filepath.Join(dir, "key"), ClientCA: filepath.Join(clients, "crt")}},
	}, "https-socket")
	get := func(config *tls.Config) error {
		tr := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
		r, err := (&http.Client{Transport: tr}).Get("https://" + s.addr["https-socket"] + "/a")
		if err == nil {
			r.Body.Close()
		}
		return err
	}
	if get(&tls.Config{InsecureSkipVerify: true}) == nil {
		t.Error("a client without a certificate is let in")
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(clients, "crt"), filepath.Join(clients, "key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := get(&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}}); err != nil {
		t.Error(err)
	}
}

func TestStats(t *testing.T) {
	s := start(t, serving.Options{CheckStatic: []string{tree(t, map[string]string{"a": "aa"})}}, "http-socket", "stats")
	s.get("/a")
	s.get("/none")
	var got struct {
		Sockets []struct{ Name, Proto string }
		Workers []struct {
			Pid, Requests, Tx int64
			Cores             []struct {
				Static int64 `json:"static_requests"`
			}
		}
	}
	// An answer that is sent at once is counted a moment later.
	var text string
	for range 200 {
		text = s.exchangeRaw("stats", nil)
		got.Workers, got.Sockets = nil, nil
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Workers) == 1 && got.Workers[0].Requests == 2 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if len(got.Sockets) != 1 || got.Sockets[0].Proto != "http" || len(got.Workers) != 1 || got.Workers[0].Requests != 2 || got.Workers[0].Cores[0].Static != 1 {
		t.Errorf("%s", text)
	}
}

func TestStatsByHTTP(t *testing.T) {
	s := start(t, serving.Options{CheckStatic: []string{t.TempDir()}, StatsHTTP: true, StatsMinified: true}, "stats")
	if got := s.exchangeRaw("stats", nil); !strings.HasPrefix(got, "HTTP/1.0 200 OK\r\n") || strings.Contains(got, "\t") {
		t.Errorf("%q", got)
	}
}
