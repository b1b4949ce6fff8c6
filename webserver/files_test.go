package webserver

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

func TestFiles(t *testing.T) {
	outside := tree(t, map[string]string{"secret": "secret", "shared/pic.png": "shared"})
	dir := tree(t, map[string]string{
		"a.txt": "a", "sub/index.html": "index", "empty/x": "x", "page.HTML": "page", "bare": "plain words", "odd.xyz": "\x00\x01",
		"in": "->a.txt", "abs": "->DIR/a.txt", "up": "->../../../../../../etc/passwd", "out": "->" + outside + "/secret",
		"shared": "->" + outside + "/shared", "no.php": "<?php", ".hidden": "h", "s/img/i.png": "img", "with space": "space",
	})
	other := tree(t, map[string]string{"a.txt": "other a", "b.txt": "other b", "fav.ico": "icon"})
	s := start(t, serving.Options{
		CheckStatic: []string{dir}, StaticSkipExt: []string{".php"}, StaticSafe: []string{filepath.Join(outside, "shared")},
		StaticMaps: []serving.Map{
			{Mount: "/s", Dir: dir, Whole: true},
			{Mount: "/o", Dir: other},
			{Mount: "/o2/", Dir: other},
			{Mount: "/", Dir: other},
			{Mount: "/favicon.ico", Dir: filepath.Join(other, "fav.ico")},
		},
	})
	for _, c := range []struct {
		path   string
		status int
		body   string
		kind   string
	}{
		{"/a.txt", 200, "a", "text/plain; charset=utf-8"},
		{"/a.txt?x=1", 200, "a", ""},
		{"/a.txt/", 404, "", ""},
		{"/b.txt", 200, "other b", ""}, // a later map
		{"/o/a.txt", 200, "other a", ""},
		{"/o2/a.txt", 200, "other a", ""},
		{"/oo/a.txt", 404, "", ""},
		{"/favicon.ico", 200, "icon", "image/x-icon"},
		{"/favicon.ico/x", 404, "", ""},
		{"/s/img/i.png", 200, "img", "image/png"},
		{"/sub/", 200, "index", "text/html; charset=utf-8"},
		{"/sub", 301, "", ""},
		{"/empty/", 404, "", ""},
		{"/empty", 404, "", ""},
		{"/page.HTML", 200, "page", "text/html; charset=utf-8"},
		{"/bare", 200, "plain words", "text/plain; charset=utf-8"},
		{"/odd.xyz", 200, "\x00\x01", ""},
		{"/in", 200, "a", ""},
		{"/abs", 200, "a", ""},
		{"/with%20space", 200, "space", ""},
		{"/shared/pic.png", 200, "shared", ""},
		{"/no.php", 404, "", ""},
		// Files outside the tree do not exist.
		{"/up", 404, "", ""},
		{"/out", 404, "", ""},
		{"/../../../../etc/passwd", 404, "", ""},
		{"/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd", 404, "", ""},
		{"/..%2f..%2f..%2f..%2fetc/passwd", 404, "", ""},
		{"/sub/../../secret", 404, "", ""},
		{"//etc/passwd", 404, "", ""},
		{"/a.txt%00.png", 400, "", ""},
		{"/s/..%5c..%5cx", 404, "", ""},
	} {
		a, body := s.get(c.path)
		if a.StatusCode != c.status || c.body != "" && body != c.body || strings.Contains(body, "root:") || body == "secret" {
			t.Errorf("%s: %d %q, want %d %q", c.path, a.StatusCode, body, c.status, c.body)
		}
		if kind := a.Header.Get("Content-Type"); c.kind != "" && kind != c.kind {
			t.Errorf("%s: type %q, want %q", c.path, kind, c.kind)
		}
	}
	if a, _ := s.get("/sub?q=1"); a.Header.Get("Location") != "/sub/?q=1" {
		t.Errorf("redirected to %q", a.Header.Get("Location"))
	}
	if a, _ := s.get("//evil.example/..//sub"); strings.HasPrefix(a.Header.Get("Location"), "//") {
		t.Errorf("redirected to another host: %q", a.Header.Get("Location"))
	}
	if got := s.raw("POST /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 405 ") {
		t.Errorf("POST: %q", got)
	}
	if got := s.raw("GET http://x/a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes=0-0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 206 ") {
		t.Errorf("range: %q", got)
	}
}

func TestRefused(t *testing.T) {
	for err, want := range map[error]int{fs.ErrPermission: http.StatusForbidden, fs.ErrNotExist: 0, fs.ErrInvalid: 0} {
		w := httptest.NewRecorder()
		x := &exchange{ResponseWriter: w, r: httptest.NewRequest(http.MethodGet, "/", nil), connection: connection{draining: func() bool { return false }}}
		if refused(x, err) != (want != 0) || x.result.status != want {
			t.Errorf("%v: status %d, want %d", err, x.result.status, want)
		}
	}
}

// TestLinkRace changes a link repeatedly between a file inside and one outside.
func TestLinkRace(t *testing.T) {
	outside := tree(t, map[string]string{"secret": "secret"})
	dir := tree(t, map[string]string{"a": "a"})
	link := filepath.Join(dir, "link")
	s := start(t, serving.Options{CheckStatic: []string{dir}, Log: serving.Log{Disabled: true}})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			to := []string{filepath.Join(dir, "a"), filepath.Join(outside, "secret")}[i%2]
			if os.Symlink(to, link+".new") == nil {
				_ = os.Rename(link+".new", link)
			}
		}
	}()
	for range 500 {
		if _, body := s.get("/link"); body == "secret" {
			t.Error("a link led out")
			break
		}
	}
	close(stop)
	<-stopped
}

func TestExpires(t *testing.T) {
	dir := tree(t, map[string]string{"a.png": "x", "b.css": "x", "d/c.js": "x", "e.txt": "x", "f.pdf": "x"})
	mtime := time.Unix(1000000000, 0)
	for _, name := range []string{"a.png", "b.css", "d/c.js", "e.txt", "f.pdf"} {
		if err := os.Chtimes(filepath.Join(dir, name), mtime, mtime); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, serving.Options{CheckStatic: []string{dir}, Expires: []serving.Expires{
		{Subject: "type", Pattern: "image/png", Seconds: 60, FromMtime: true},
		{Subject: "file", Pattern: `\.css$`, Seconds: 120, FromMtime: true},
		{Subject: "path-info", Pattern: `^/d/`, Seconds: 180, FromMtime: true},
		{Subject: "uri", Pattern: `\?v=1$`, Seconds: 3600},
	}})
	for path, want := range map[string]time.Duration{"/a.png": 60, "/b.css": 120, "/d/c.js": 180} {
		a, _ := s.get(path)
		if got := a.Header.Get("Expires"); got != mtime.Add(want*time.Second).UTC().Format(http.TimeFormat) {
			t.Errorf("%s expires %q", path, got)
		}
	}
	if a, _ := s.get("/e.txt"); a.Header.Get("Expires") != "" {
		t.Errorf("expires %q without a rule", a.Header.Get("Expires"))
	}
	a, _ := s.get("/e.txt?v=1")
	at, err := http.ParseTime(a.Header.Get("Expires"))
	if in := time.Until(at); err != nil || in < 59*time.Minute || in > time.Hour {
		t.Errorf("expires in %v, %v", in, err)
	}
}

func TestGzip(t *testing.T) {
	dir := tree(t, map[string]string{"a.css": "plain", "a.css.gz": "zipped", "b.js": "plain", "b.js.gz": "zipped", "c.txt": "plain", "c.txt.gz": "zipped", "d.css": "plain"})
	s := start(t, serving.Options{CheckStatic: []string{dir}, Gzip: serving.Gzip{Suffixes: []string{".css"}, Patterns: []string{`/b\.`}}})
	for _, c := range []struct{ path, accept, want string }{
		{"/a.css", "br, gzip", "zipped"},
		{"/a.css", "gzip;q=0.5", "zipped"},
		{"/a.css", "gzip;q=0", "plain"},
		{"/a.css", "gzip; q=0.0", "plain"},
		{"/a.css", "identity", "plain"},
		{"/a.css", "GZIP;Q=0.001", "zipped"},
		{"/a.css", "gzip;Q=0", "plain"},
		{"/a.css", "gzip;x=1 ; q=0.000", "plain"},
		{"/a.css", "x-gzip", "zipped"},
		{"/a.css", "*", "zipped"},
		{"/a.css", "*;q=0", "plain"},
		{"/a.css", "*;q=0, gzip", "zipped"},
		{"/a.css", "gzip;q=0, *", "plain"},
		{"/a.css", "*, gzip;q=0", "plain"},
		{"/a.css", "", "plain"},
		{"/b.js", "gzip", "zipped"},
		{"/c.txt", "gzip", "plain"},
		{"/d.css", "gzip", "plain"},
	} {
		a, body := s.get(c.path, "Accept-Encoding", c.accept)
		if body != c.want || (c.want == "zipped") != (a.Header.Get("Content-Encoding") == "gzip") || strings.Contains(a.Header.Get("Content-Type"), "gzip") {
			t.Errorf("%s for %q: %q %v", c.path, c.accept, body, a.Header)
		}
	}
}

func TestMimeFile(t *testing.T) {
	dir := tree(t, map[string]string{"a.foo": "x", "a.css": "x", "types": "# comment\nx-odd/foo\tbar foo # more\nx-own/css css\n"})
	s := start(t, serving.Options{CheckStatic: []string{dir}, MimeFiles: []string{filepath.Join(dir, "types")}})
	for path, want := range map[string]string{"/a.foo": "x-odd/foo", "/a.css": "x-own/css"} {
		if a, _ := s.get(path); a.Header.Get("Content-Type") != want {
			t.Errorf("%s: %q", path, a.Header.Get("Content-Type"))
		}
	}
}

// TestRangeThatIsNotInBytes: such a range is ignored.
func TestRangeThatIsNotInBytes(t *testing.T) {
	s := start(t, serving.Options{CheckStatic: []string{tree(t, map[string]string{"a": "12345"})}})
	for text, want := range map[string]struct {
		status int
		body   string
	}{"lines=1-2": {200, "12345"}, "nonsense": {200, "12345"}, "bytes=1-2": {206, "23"}, "bytes=7-": {416, "invalid range: failed to overlap\n"}} {
		if a, body := s.get("/a", "Range", text); a.StatusCode != want.status || body != want.body {
			t.Errorf("%s: %d %q", text, a.StatusCode, body)
		}
	}
}

// The error of a directory that cannot be opened names its line.
func TestUnusableDirectoryNamesItsLine(t *testing.T) {
	later := filepath.Join(t.TempDir(), "later")
	for name, text := range map[string]string{"static-map": "/s=" + later, "static-safe": later, "check-static": later} {
		var o serving.Options
		at := option.Value{Text: text, Origin: problem.Origin{File: "/etc/a.ini", Line: 3}}
		if err := o.Put(serving.Find(name), at); err != nil {
			t.Fatal(err)
		}
		_, err := newAnswers(&o, nullLog)
		if want := "/etc/a.ini:3: " + name + ": cannot use static"; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the cause is lost: %v", name, err)
		}
	}
}

// A directory that does not exist yet is no reason not to serve where something else
// answers: its files are served once they are there. Alone it is an error.
func TestDirectoryThatComesLater(t *testing.T) {
	later := filepath.Join(t.TempDir(), "later")
	o := serving.Options{StaticMaps: []serving.Map{{Mount: "/s", Dir: later}}}
	if _, err := newFiles(&o, nullLog); err == nil || !strings.Contains(err.Error(), later) {
		t.Errorf("alone: %v", err)
	}
	o.Routes = routes(t, "route = ^/other return:418")
	s := start(t, o)
	if a, _ := s.get("/s/a"); a.StatusCode != http.StatusNotFound {
		t.Errorf("before: %d", a.StatusCode)
	}
	if !strings.Contains(s.log.String(), "does not exist yet") {
		t.Errorf("the log has %q", s.log)
	}
	if err := os.Mkdir(later, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(later, "a"), []byte("here"), 0o644); err != nil {
		t.Fatal(err)
	}
	if a, body := s.get("/s/a"); a.StatusCode != http.StatusOK || body != "here" {
		t.Errorf("after: %d %q", a.StatusCode, body)
	}
}
