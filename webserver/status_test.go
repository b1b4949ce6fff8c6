package webserver

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// TestRulesThatAnswer: a status with its name, parts of a body, pages of the server's own
// answers, and another method. Bodies of return equal uWSGI 2.0.21's.
func TestRulesThatAnswer(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "404.html")
	if err := os.WriteFile(page, []byte("<p>lost</p>"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := serving.Options{CheckStatic: []string{dir}, Pages: []serving.Page{{Status: 404, File: "/no/such/file"}, {Status: 404, File: page}}}
	for _, text := range []string{
		"^/tea break-with-status:418", "^/return return:404", "^/moved return:301 with words", "^/none return:204", "^/break break:404",
		"^/send send:one,", "^/send send-crnl:two", "^/send2 last:", "^/method setmethod:PATCH", "^/method return:200", "^/flush flush:", "^/flush donotoffload:", "^/flush offload:",
	} {
		r, err := serving.ParseRoute("path-info", text, isExpression)
		if err != nil {
			t.Fatal(err)
		}
		o.Routes = append(o.Routes, r)
	}
	s := start(t, o)
	for path, want := range map[string]string{
		"/tea": "418 text/plain I'm a teapot", "/return": "404 text/plain Not Found", "/moved": "301 text/plain Moved Permanently", "/none": "204 text/plain ",
		"/break": "404 text/plain; charset=utf-8 not found\n", "/send": "200 text/plain; charset=utf-8 one,two\r\n", "/send2": "200 text/plain; charset=utf-8 one,two\r\n",
		"/other": "404 text/html <p>lost</p>", "/flush": "404 text/html <p>lost</p>", "/404.html": "200 text/html; charset=utf-8 <p>lost</p>",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr["http-socket"]+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, body := s.do(r)
		if got := a.Status[:3] + " " + a.Header.Get("Content-Type") + " " + body; got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr["http-socket"]+"/method", nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.do(r); !strings.Contains(s.access.String(), "PATCH /method") {
		t.Errorf("the log: %s", s.access)
	}
}

// TestHarakiriOfARule limits one request, in place of the common limit.
func TestHarakiriOfARule(t *testing.T) {
	app := uwsgiSleeper(t)
	var o serving.Options
	for _, text := range []string{"^/short harakiri:1", "^/long harakiri:0", "^/ uwsgi:" + app + ",0,0"} {
		r, err := serving.ParseRoute("path-info", text, isExpression)
		if err != nil {
			t.Fatal(err)
		}
		o.Routes = append(o.Routes, r)
	}
	o.RequestTimeout = 200 * time.Millisecond
	s := start(t, o)
	for path, want := range map[string]int{"/x?300ms": 504, "/short?500ms": 200, "/short?3s": 504, "/long?1500ms": 200} {
		a, err := http.Get("http://" + s.addr["http-socket"] + path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, a.Body)
		a.Body.Close()
		if a.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, a.StatusCode, want)
		}
	}
}

func TestUnknownActionHasARemedy(t *testing.T) {
	for action, want := range map[string]string{"cachestore:a": "a cache", "clearheaders:200 OK": "return:STATUS", "rpc:x": "emperor-wrapper"} {
		var o serving.Options
		err := o.Put(serving.Find("route-run"), value(action))
		if err == nil || !strings.Contains(serving.Find("route-run").Hint(err), want) {
			t.Errorf("%s: %v (%s), want %q", action, err, serving.Find("route-run").Hint(err), want)
		}
	}
	for _, wrong := range []string{"return:", "return:99", "harakiri:soon", "send:", "uwsgi:", "break-with-status:x"} {
		if _, err := serving.ParseRoute("run", wrong, isExpression); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
}
