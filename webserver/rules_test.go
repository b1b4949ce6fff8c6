package webserver

import (
	"crypto/sha1" //nolint:gosec // an old scheme of htpasswd
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// routes parses lines of a vassal file.
func routes(t *testing.T, lines ...string) (list []serving.Route) {
	t.Helper()
	for _, line := range lines {
		key, text, _ := strings.Cut(line, " = ")
		subject := strings.TrimPrefix(strings.TrimPrefix(key, "route"), "-")
		if subject == "" {
			subject = "path-info"
		}
		r, err := serving.ParseRoute(subject, text, isExpression)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

func TestRules(t *testing.T) {
	dir := tree(t, map[string]string{"a.txt": "a", "files/x": "x"})
	far := tree(t, map[string]string{"files/one": "1", "secret": "secret"})
	to := backend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s for %s", r.Host, r.URL, r.Header.Get("X-Forwarded-For"))
	})
	s := start(t, serving.Options{CheckStatic: []string{dir}, Routes: routes(t,
		"route-run = addheader:X-Path: ${PATH_INFO}",
		"route-label = start",
		"route = ^/away/(.*)$ redirect:http://other/$1?${QUERY_STRING}",
		"route = ^/gone$ redirect-permanent:http://other/",
		"route = ^/forbidden break:403 Forbidden",
		"route = ^/fine break:200 OK",
		"route = ^/break break:",
		"route = ^/maintained break:503 Back at ${qs[at]}",
		"route = ^/nothing break:204 No Content",
		"route = ^/f/(.*) static:"+far+"/files/$1",
		"route = ^/one static:"+far+"/files/one",
		"route = ^/q static:"+far+"/files/${qs[f]}",
		"route = ^/lost static:"+far+"/files/none",
		"route-uri = [?]e=1$ expires:unix=1000000000,value=86400",
		"route-qs = ^e=2$ expires:filename="+dir+"/a.txt,value=0",
		"route-qs = ^e=3$ expires:value=60",
		"route-host = ^evil break:421",
		"route-user-agent = Bot break:429",
		"route-referer = spam break:410",
		"route-remote-addr = ^10\\. break:451",
		"route-if = equal:${REQUEST_METHOD};PUT break:405",
		"route-if = isfile:"+dir+"${PATH_INFO} addheader:X-Is: file",
		"route-if = isdir:"+dir+"${PATH_INFO} addheader:X-Is: dir",
		"route-if-not = exists:"+dir+"${PATH_INFO} addheader:X-Is: nothing",
		"route-if = equal:${cookie[c]};1 break:418",
		"route-if = startswith:${qs[q]};abc break:425",
		"route-if = regexp:${HTTP_X};^[0-9]+$ break:426",
		"route = ^/circle goto:start",
		"route = ^/skip goto:end",
		"route = ^/last last:",
		"route = ^/setvar addvar:V=v1",
		"route-if = equal:${V};v1 break:406",
		"route = ^/re/(.*) rewrite:/$1",
		"route = ^/b(/.*)? http:"+to+",named",
		"route-run = addheader:X-Late: yes",
		"route-label = end",
		"route-run = log:seen ${PATH_INFO} $0",
	)})
	for _, c := range []struct {
		path    string
		headers []string
		status  int
		want    string // header: value, or text of the body
	}{
		{"/a.txt", nil, 200, "X-Path: /a.txt"},
		{"/a.txt", nil, 200, "X-Is: file"},
		{"/files/", nil, 404, "X-Is: dir"},
		{"/none", nil, 404, "X-Is: nothing"},
		{"/a.txt", nil, 200, "X-Late: yes"},
		{"/away/x/y?q=1", nil, 302, "Location: http://other/x/y?q=1"},
		{"/away/%20%22%5c%e2%82%ac%7f%0d&%25?=1", nil, 302, "Location: http://other/%20%22%5C%E2%82%AC%7F%0D&%25?=1"},
		{"/away/x%0d%0aSet-Cookie:%20a=b", nil, 404, ""}, // the dot matches no newline
		{"/gone", nil, 301, "Location: http://other/"},
		{"/forbidden", nil, 403, "Forbidden\n"},
		{"//forbidden", nil, 403, ""},
		{"/x/../forbidden", nil, 403, ""},
		{"/%66orbidden", nil, 403, ""},
		{"/fine", nil, 200, "OK\n"},
		{"/break", nil, 403, "forbidden\n"},
		{"/maintained?at=<b>noon%0d%0a", nil, 503, "Back at <b>noon\n"},
		{"/maintained?at=<b>", nil, 503, "Content-Type: text/plain; charset=utf-8"},
		{"/nothing", nil, 204, ""},
		{"/f/one", nil, 200, "1"},
		{"/f/../secret", nil, 404, ""},
		{"/f/..%2fsecret", nil, 404, ""},
		{"/f//..//secret", nil, 404, ""},
		{"/one", nil, 200, "1"},
		{"/q?f=one", nil, 200, "1"},
		{"/q?f=../secret", nil, 404, ""},
		{"/q?f=%2e%2e/secret", nil, 404, ""},
		{"/q?f=/../../secret", nil, 404, ""},
		{"/lost", nil, 404, ""},
		{"/a.txt?e=1", nil, 200, "Expires: Mon, 10 Sep 2001 01:46:40 GMT"},
		{"/a.txt", []string{"User-Agent", "a Bot"}, 429, ""},
		{"/a.txt", []string{"Referer", "spam"}, 410, ""},
		{"/a.txt", []string{"Cookie", "c=1"}, 418, ""},
		{"/a.txt?q=abcd", nil, 425, ""},
		{"/a.txt", []string{"X", "77"}, 426, ""},
		{"/circle", nil, 500, ""},
		{"/last", nil, 404, ""},
		{"/setvar", nil, 406, ""},
		{"/re/a.txt", nil, 200, "a"},
		{"/b/q?x=1", nil, 200, "named /b/q?x=1 for 127.0.0.1"},
	} {
		a, body := s.get(c.path, c.headers...)
		ok := c.want == ""
		if name, value, header := strings.Cut(c.want, ": "); header {
			ok = a.Header.Get(name) == value
		} else if !ok {
			ok = body == c.want
		}
		if a.StatusCode != c.status || !ok {
			t.Errorf("%s %v: %d %v %q, want %d %q", c.path, c.headers, a.StatusCode, a.Header, body, c.status, c.want)
		}
		if body == "secret" || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: led out", c.path)
		}
	}
	if a, _ := s.get("/skip"); a.Header.Get("X-Late") != "" {
		t.Error("goto passed over nothing")
	}
	if a, _ := s.get("/a.txt?e=2"); a.Header.Get("Expires") != a.Header.Get("Last-Modified") || a.Header.Get("Expires") == "" {
		t.Errorf("expires %q, changed %q", a.Header.Get("Expires"), a.Header.Get("Last-Modified"))
	}
	if a, _ := s.get("/a.txt?e=3"); a.Header.Get("Expires") == "" {
		t.Error("no Expires counted from now")
	}
	if !strings.Contains(s.log.String(), "seen /skip") {
		t.Errorf("log: %s", s.log)
	}
}

func TestRulesRefuse(t *testing.T) {
	for line, want := range map[string]string{
		"route-run = goto:nowhere":                  `there is no label "nowhere"`,
		"route = ^/(.*) static:$1":                  "needs a directory",
		"route = ^/(.*) static:/none/at/all/$1":     "no such file",
		"route = ^/ basicauth:realm,/none/htpasswd": "no such file",
		"route-run = http:nowhere":                  `"nowhere" has no port`,
		"http-to = nowhere":                         `"nowhere" has no port`,
		"cgi = /=/none/at/all":                      "no such file",
	} {
		var o serving.Options
		name, text, _ := strings.Cut(line, " = ")
		if err := o.Put(serving.Find(name), option.Value{Text: text, Origin: problem.Origin{File: "/v/a.ini", Line: 3}}); err != nil {
			t.Fatal(err)
		}
		_, err := newAnswers(&o, nullLog)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		} else if at := "/v/a.ini:3: " + name + ": "; strings.Count(err.Error(), at) != 1 || !strings.HasPrefix(err.Error(), at) {
			t.Errorf("%s: %v does not begin with %q once", line, err, at)
		}
	}
}

func TestBasicAuth(t *testing.T) {
	sum := sha1.Sum([]byte("pw")) //nolint:gosec // an old scheme of htpasswd
	dir := tree(t, map[string]string{
		"a/x": "x", "b/x": "x", "c/x": "x", "d/x": "x",
		"htpasswd": "sha:{SHA}" + base64.StdEncoding.EncodeToString(sum[:]) + "\n" +
			"apr:$apr1$GlKx1e9B$Cz1ZIbxJ9BqBqSgUxNPdL0\n", // some other password
	})
	file := filepath.Join(dir, "htpasswd")
	s := start(t, serving.Options{CheckStatic: []string{dir}, Log: serving.Log{Format: "%(user) %(uri)"}, Routes: routes(t,
		"route = ^/a basicauth:The Realm,u:p:w",
		"route = ^/b basicauth:R,"+file,
		"route = ^/c basicauth:R,",
		"route = ^/d basicauth-next:R,u1:p1",
		"route-remote-user = ^u1$ last:",
		"route = ^/d basicauth:R,u2:p2",
	)})
	try := func(path, user, password string, want int) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, "http://"+s.addr["http-socket"]+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		a, _ := s.do(r)
		if a.StatusCode != want {
			t.Errorf("%s as %s:%s: %d, want %d", path, user, password, a.StatusCode, want)
		}
		if want == 401 && a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", path)
		}
	}
	try("/a/x", "", "", 401)
	try("/a/x", "u", "p:w", 200)
	try("/a/x", "u", "p", 401)
	try("/b/x", "sha", "pw", 200)
	try("/b/x", "sha", "pw", 200)
	try("/b/x", "sha", "no", 401)
	try("/b/x", "none", "pw", 401)
	try("/c/x", "u", "p", 401)
	try("/d/x", "u1", "p1", 200)
	try("/d/x", "u2", "p2", 200)
	try("/d/x", "u3", "p3", 401)
	if a, _ := s.get("/a/x"); a.Header.Get("WWW-Authenticate") != `Basic realm="The Realm"` {
		t.Errorf("challenge %q", a.Header.Get("WWW-Authenticate"))
	}
	if !strings.Contains(s.access.String(), "sha /b/x") {
		t.Errorf("log %q", s.access)
	}
	// A changed file takes effect at once; a missing one denies all logins.
	if err := os.WriteFile(file, []byte("new:{SHA}"+base64.StdEncoding.EncodeToString(sum[:])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, time.Now(), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	try("/b/x", "sha", "pw", 401)
	try("/b/x", "new", "pw", 200)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	try("/b/x", "new", "pw", 401)
}

func FuzzRules(f *testing.F) {
	f.Add("path-info", "^/a(.*) addheader:X: $1${PATH_INFO}", "/abc?x=1")
	f.Add("if", "equal:${qs[a]};1 break:403", "/?a=1")
	f.Add("run", "rewrite:/x$9?y", "/")
	f.Fuzz(func(t *testing.T, subject, text, target string) {
		r, err := serving.ParseRoute(subject, text, isExpression)
		if err != nil || r.Action == "static" || r.Action == "http" || strings.HasPrefix(r.Action, "basicauth") {
			return // they read this machine's state
		}
		rules, err := newRules(&serving.Options{Routes: []serving.Route{r}}, &files{}, nullLog)
		if err != nil {
			return
		}
		x := testExchange(target)
		if x == nil {
			return
		}
		rules.run(x)
		if !strings.HasPrefix(x.path, "/") || strings.Contains(x.path, "/../") || strings.HasSuffix(x.path, "/..") {
			t.Errorf("%q on %q leaves the path %q", text, target, x.path)
		}
	})
}
