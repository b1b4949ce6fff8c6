package webpage

import (
	"context"
	"crypto/sha1" //nolint:gosec // an old scheme of htpasswd
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/eventlog"
	"github.com/emperor-go/emperor/internal/output"
	"github.com/emperor-go/emperor/internal/passwords"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// hostile is markup that must be text on every page.
const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`

// fake has the facts of a test.
type fake struct {
	vassals []control.Vassal
	asked   atomic.Int32
}

func (f *fake) About(context.Context) (control.Info, error) {
	return control.Info{Version: "1.2.3", PID: 42, Started: time.Now(), Monitors: []string{hostile}, Vassals: map[emperor.State]int{emperor.Running: 1}}, nil
}

func (f *fake) All(context.Context) ([]control.Vassal, error) {
	f.asked.Add(1)
	return f.vassals, nil
}

func (f *fake) Status(_ context.Context, name string, _ int) (control.Status, error) {
	for _, v := range f.vassals {
		if v.Name == name {
			return control.Status{
				Vassal: v,
				Links:  []namespaces.Link{{Name: hostile, Kind: hostile, Host: hostile, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}}},
				Exits:  []eventlog.Exit{{Time: time.Now().Add(-time.Minute), Generation: 1, Text: hostile, Reason: hostile + "2", Uptime: 3}},
				Lines:  []output.Line{{Number: 7, Time: time.Now(), Text: hostile}},
			}, nil
		}
	}
	return control.Status{}, &control.Error{Message: fmt.Sprintf("there is no vassal %q", name), Code: http.StatusNotFound}
}

func (f *fake) Progress(context.Context) (emperor.Progress, error) { return emperor.Progress{}, nil }

func vassalNamed(name string, state emperor.State) control.Vassal {
	return control.Vassal{Record: emperor.Record{Name: name, State: state, Since: time.Now().Add(-time.Hour)}}
}

// hostileVassal has markup in every text.
func hostileVassal() control.Vassal {
	v := vassalNamed(hostile+".ini", emperor.BackingOff)
	v.Error, v.Status, v.Path, v.Phase, v.WaitsFor = hostile, hostile, hostile, hostile, hostile
	v.Address, v.Ignored, v.Hooks = hostile, []string{hostile}, []emperor.HookRun{{Phase: hostile, Hook: hostile, Result: hostile, Took: 0.5}}
	v.Network = &emperor.Attachment{Mode: hostile, Published: []string{hostile}, Allowed: []string{hostile}, Limit: hostile}
	return v
}

func newSite(vassals ...control.Vassal) (*Site, *fake) {
	f := &fake{vassals: vassals}
	events := &eventlog.Log{}
	for _, v := range vassals {
		events.Add(eventlog.AboutState, v.Record, hostile)
	}
	warnings := &Warnings{}
	slog.New(warnings.Handler(slog.NewTextHandler(io.Discard, nil))).Warn(hostile, "vassal", hostile, "error", hostile)
	return &Site{
		Facts: f, Loop: f, Events: events, Warnings: warnings, Log: slog.New(slog.DiscardHandler), Reads: reads.New(),
		Settings: func(context.Context, string) ([]Setting, error) {
			return []Setting{{Name: "command", Value: hostile, Origin: hostile}, {Name: "env", Value: "KEY=" + hostile, Secret: true}}, nil
		},
	}, f
}

func get(h http.Handler, path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// pages are the paths of all pages, for the hostile vassal.
func pages() []string {
	return []string{"/", "/?state=faulty&q=" + "script" + "&sort=memory", "/?q=%3Cscript%3E%22", "/" + rowOf(&control.Vassal{Record: emperor.Record{Name: hostile + ".ini"}}, nil).Href, "/emperor"}
}

// A browser gets the page with a policy that permits neither scripts nor styles in its text, and the text
// has none; all facts are text.
func TestPagesAreText(t *testing.T) {
	site, _ := newSite(hostileVassal(), vassalNamed("shop.ini", emperor.Running))
	h := site.Handler()
	for _, path := range pages() {
		w := get(h, path)
		body := w.Body.String()
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", path, w.Code, body)
			continue
		}
		if p := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'self';") || strings.Contains(p, "unsafe") {
			t.Errorf("%s: the policy is %q", path, p)
		}
		for what, pattern := range map[string]string{
			"a script in the text": `<script>|<script [^>]*>[^<]`, "a style in the text": `<style|\sstyle=`, "a handler in the text": `<[a-zA-Z/](?:[^>"]|"[^"]*")*\son[a-z]+=`, "markup of a vassal": `<img`,
		} {
			if found := regexp.MustCompile(pattern).FindString(body); found != "" {
				t.Errorf("%s has %s: %s", path, what, found)
			}
		}
		if !strings.Contains(body, "&lt;script&gt;") {
			t.Errorf("%s does not show the hostile text", path)
		}
	}
}

// Without scripts the page has all vassals, the faulty ones first.
func TestOrderAndSelection(t *testing.T) {
	wrong := vassalNamed("zoo.ini", emperor.Running)
	wrong.Error = "its workers die"
	idle, busy := vassalNamed("archive.ini", emperor.Idle), vassalNamed("blog.ini", emperor.Starting)
	shop, other := vassalNamed("Shop.ini", emperor.Running), vassalNamed("wiki.ini", emperor.Running)
	shop.Memory, other.Memory, other.Address = 1<<20, 2<<20, "shop:80"
	site, _ := newSite(idle, busy, shop, other, wrong)
	h := site.Handler()
	name := regexp.MustCompile(`<th scope="row"><a href="[^"]*">([^<]*)</a>`)
	for path, want := range map[string]string{
		"/":                          "zoo.ini blog.ini Shop.ini wiki.ini archive.ini",
		"/?state=running":            "zoo.ini Shop.ini wiki.ini",
		"/?state=faulty":             "zoo.ini",
		"/?q=SHOP":                   "Shop.ini wiki.ini",
		"/?q=die":                    "zoo.ini",
		"/?q=shop&sort=memory":       "wiki.ini Shop.ini",
		"/?state=idle&q=none":        "",
		"/?sort=name&state=starting": "blog.ini",
		"/?sort=unknown":             "zoo.ini blog.ini Shop.ini wiki.ini archive.ini",
	} {
		var names []string
		for _, m := range name.FindAllStringSubmatch(get(h, path).Body.String(), -1) {
			names = append(names, m[1])
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if body := get(h, "/?q=none").Body.String(); !strings.Contains(body, "No vassal matches.") {
		t.Error("an empty selection is not explained")
	}
}

// The page of every name is reached by its link.
func TestOddNames(t *testing.T) {
	for _, name := range []string{"shop.ini", "a b.ini", "a/b.ini", "50%.ini", "what?.ini", "c#.ini", "ü\xff.ini", "a\nb.ini", "..ini"} {
		v := vassalNamed(name, emperor.Running)
		site, _ := newSite(v)
		if w := get(site.Handler(), "/"+rowOf(&v, nil).Href); w.Code != http.StatusOK {
			t.Errorf("%q: %d %s", name, w.Code, w.Body)
		}
	}
	site, _ := newSite()
	if w := get(site.Handler(), "/vassals/none"); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), `there is no vassal "none"`) {
		t.Errorf("an unknown name: %d %s", w.Code, w.Body)
	}
}

// Only this machine's names are answered, because any other may belong to a site whose name leads here.
func TestHosts(t *testing.T) {
	own, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	site, _ := newSite()
	site.Hosts = []string{"ops.example.com"}
	h := site.Handler()
	for host, want := range map[string]int{
		"localhost": 200, "localhost:9130": 200, "LOCALHOST.:9130": 200, "emperor.localhost:80": 200, "127.0.0.1:9130": 200, "192.0.2.7": 200, "[::1]:9130": 200, "[::1]": 200,
		own + ":9130": 200, "ops.example.com": 200, "OPS.example.com:443": 200,
		"evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "ops.example.com.evil.example": 421, "": 421, "evil.example:9130": 421, "notlocalhost": 421,
	} {
		for _, path := range []string{"/", "/live", "/static/style.css"} {
			if path == "/live" && want == 200 {
				continue // it would stay
			}
			if w := get(h, path, func(r *http.Request) { r.Host = host }); w.Code != want {
				t.Errorf("%q %s: %d, want %d", host, path, w.Code, want)
			}
		}
	}
}

// Nothing can be changed, and pages of other sites cannot make a browser ask.
func TestReadOnly(t *testing.T) {
	site, f := newSite()
	h := site.Handler()
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, "TRACE"} {
		if w := get(h, "/", func(r *http.Request) { r.Method = method }); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	for _, c := range []struct {
		site, mode string
		want       int
	}{
		{"cross-site", "cors", 403}, {"cross-site", "no-cors", 403}, {"same-site", "cors", 403}, {"cross-site", "navigate", 200}, {"same-origin", "cors", 200}, {"none", "navigate", 200},
	} {
		w := get(h, "/", func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", c.site)
			r.Header.Set("Sec-Fetch-Mode", c.mode)
		})
		if w.Code != c.want {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
	if f.asked.Load() == 0 {
		t.Error("no permitted request was answered")
	}
}

// A page with a password file answers its users only, and takes changes of the file.
func TestPasswords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	entry := func(password string) {
		t.Helper()
		sum := sha1.Sum([]byte(password)) //nolint:gosec // an old scheme of htpasswd
		if err := os.WriteFile(file, []byte("ann:{SHA}"+base64.StdEncoding.EncodeToString(sum[:])+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	entry("old")
	site, f := newSite()
	site.Passwords = &passwords.File{Path: file}
	h := site.Handler()
	as := func(user, password string) int {
		return get(h, "/", func(r *http.Request) { r.SetBasicAuth(user, password) }).Code
	}
	if w := get(h, "/"); w.Code != http.StatusUnauthorized || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") || f.asked.Load() != 0 {
		t.Errorf("without a password: %d", w.Code)
	}
	if w := get(h, "/static/live.js"); w.Code != http.StatusUnauthorized {
		t.Errorf("a file without a password: %d", w.Code)
	}
	if as("ann", "old") != 200 || as("ann", "new") != 401 || as("bob", "old") != 401 {
		t.Error("the wrong users are answered")
	}
	entry("new")
	if as("ann", "new") != 200 || as("ann", "old") != 401 {
		t.Error("the change of the file has no effect")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if as("ann", "new") != 401 {
		t.Error("without the file a reader is answered")
	}
}

// A wrong password delays the verification of others, and no reader who is known.
func TestGuessing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "users")
	sum := sha1.Sum([]byte("pw")) //nolint:gosec // an old scheme of htpasswd
	if err := os.WriteFile(file, []byte("ann:{SHA}"+base64.StdEncoding.EncodeToString(sum[:])+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	site, _ := newSite()
	site.Passwords = &passwords.File{Path: file}
	h := site.Handler()
	as := func(password string) int {
		return get(h, "/", func(r *http.Request) { r.SetBasicAuth("ann", password) }).Code
	}
	if as("pw") != 200 {
		t.Fatal("the password is refused")
	}
	begin := time.Now()
	as("first")
	as("second")
	if took := time.Since(begin); took < wrongPause {
		t.Errorf("two guesses took %v", took)
	}
	if len(site.proving) == 0 {
		t.Error("the second guess does not delay a third")
	}
	if as("pw") != 200 {
		t.Error("a known reader is refused meanwhile")
	}
}

// Secrets do not reach a browser.
func TestSecrets(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"command", "app --db postgres://app:s3cret@db/x", "app --db postgres://app:" + hidden + "@db/x"},
		{"command", "app --password=s3cret --port 80", "app --password=" + hidden + " --port 80"},
		{"command", "app --db-password s3cret -v", "app --db-password " + hidden + " -v"},
		{"exec-as-root", "curl -H 'Authorization: Bearer s3cret' http://x", "curl -H 'Authorization: Bearer " + hidden + "' http://x"},
		{"command", "API_KEY=s3cret app", "API_KEY=" + hidden + " app"},
		{"route", "^/ basicauth:Staff,ann:s3cret", "^/ basicauth:Staff,ann:" + hidden},
		{"route", "^/ basicauth:Staff,/etc/users", "^/ basicauth:Staff,/etc/users"},
		{"https-socket", ":443,/etc/cert.pem,/etc/key.pem", ":443,/etc/cert.pem,/etc/key.pem"},
		{"command", "PGPASS=s3cret app -password 's3cret'", "PGPASS=" + hidden + " app -password '" + hidden + "'"},
		{"error", "password authentication failed; passed over: /a", "password authentication failed; passed over: /a"},
		{"command", "http://host:8080/passwords", "http://host:8080/passwords"},
		{"log", "/var/log/token.log", "/var/log/token.log"},
	} {
		if got := hide(Setting{Name: c.name, Value: c.value}); got != c.want {
			t.Errorf("%s: %q, want %q", c.value, got, c.want)
		}
	}
	v := vassalNamed("shop.ini", emperor.Running)
	v.Error, v.Status = "cannot connect to amqp://u:s3cret@q", "token=s3cret"
	site, _ := newSite(v)
	site.Settings = func(context.Context, string) ([]Setting, error) {
		return []Setting{{Name: "env", Value: "DB=s3cret", Secret: true}, {Name: "vassal-set", Value: "s3cret", Secret: true}}, nil
	}
	for _, path := range []string{"/", "/vassals/shop.ini"} {
		if body := get(site.Handler(), path).Body.String(); strings.Contains(body, "s3cret") || !strings.Contains(body, hidden) {
			t.Errorf("%s shows a secret, or hides none", path)
		}
	}
}

// Warnings keep the last lines of a log, with the vassal that they are about.
func TestWarnings(t *testing.T) {
	w := &Warnings{}
	log := slog.New(w.Handler(slog.NewTextHandler(io.Discard, nil))).With("vassal", "shop.ini")
	log.Info("nothing")
	for i := range maxWarnings + 3 {
		log.Error("cannot start", "attempt", i, "url", "x://u:s3cret@h")
	}
	list := w.last()
	if len(list) != maxWarnings || list[0].Vassal != "shop.ini" || list[0].Text != "cannot start attempt=52 url=x://u:"+hidden+"@h" {
		t.Errorf("%d warnings, the newest %+v", len(list), list[0])
	}
	if !slices.IsSortedFunc(list, func(a, b warning) int { return b.Time.Compare(a.Time) }) {
		t.Error("the newest is not first")
	}
}
