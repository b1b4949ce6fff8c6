package control

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/generated"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

func TestRightsDocumentIsCurrent(t *testing.T) {
	generated.Current(t, "../../docs/rights.md", writeRights)
}

// tenants is an emperor with vassals of users 1001 and 1002, and one of root.
func tenants(t testing.TB) *stage {
	t.Helper()
	s := play(t)
	for name, uid := range map[string]uint32{"own.ini": 1001, "hidden.ini": 1002, "rooted.ini": 0} {
		c := monitor.Text(name, "well")
		c.UID = uid
		s.monitor.Put(c)
		s.until(name, emperor.Running)
	}
	return s
}

var (
	root   = Rights{All: Govern}
	reader = Rights{UID: 1005, All: Read}
	tenant = Rights{UID: 1001, Own: true}
	other  = Rights{UID: 1004, Own: true}
	both   = Rights{UID: 1001, All: Read, Own: true}
)

// as asks as a client with rights.
func (s *stage) as(c Rights, method, path string) (code int, body string) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, prefix+path, nil)
	r = r.WithContext(withConn(r.Context(), &limitedConn{listener: newLimited(nil), rights: c}))
	w := httptest.NewRecorder()
	s.server.admit(s.server.routes()).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestRightsOfClients(t *testing.T) {
	s := tenants(t)
	for _, tt := range []struct {
		method, path                              string
		root, reader, tenant, both, other, hidden int // hidden is the tenant about the vassal of another
	}{
		{"GET", "/emperor", 200, 200, 200, 200, 200, 200},
		{"GET", "/vassals", 200, 200, 200, 200, 200, 200},
		{"GET", "/vassals/own", 200, 200, 200, 200, 404, 404},
		{"GET", "/vassals/own/logs", 200, 200, 200, 200, 404, 404},
		{"GET", "/logs?vassal=own", 200, 200, 200, 200, 404, 404},
		{"GET", "/events?vassal=own", 200, 200, 200, 200, 404, 404},
		{"GET", "/network", 404, 404, 403, 404, 403, 403},
		{"GET", "/vassals/own/changes", 200, 403, 200, 200, 404, 404},
		{"POST", "/vassals/own/start", 200, 403, 200, 200, 404, 404},
		{"POST", "/vassals/own/reload", 200, 403, 200, 200, 404, 404},
		{"POST", "/vassals/own/restart", 200, 403, 200, 200, 404, 404},
		{"POST", "/vassals/own/stop", 200, 403, 200, 200, 404, 404},
		{"POST", "/vassals/own/reset", 200, 403, 403, 403, 403, 403},
		{"POST", "/vassals/own/kill?signal=0", 400, 403, 403, 403, 403, 403},
		{"POST", "/reset", 200, 403, 403, 403, 403, 403},
		{"POST", "/reload", 200, 403, 403, 403, 403, 403},
		{"POST", "/network/collect", 404, 403, 403, 403, 403, 403},
		{"POST", "/reopen-logs", 200, 403, 403, 403, 403, 403},
	} {
		for _, client := range []struct {
			Rights
			want int
		}{{root, tt.root}, {reader, tt.reader}, {tenant, tt.tenant}, {both, tt.both}, {other, tt.other}, {Rights{}, 403}} {
			if code, body := s.as(client.Rights, tt.method, tt.path); code != client.want {
				t.Errorf("%s %s as %+v: %d, want %d: %s", tt.method, tt.path, client.Rights, code, client.want, body)
			}
		}
		path := strings.Replace(tt.path, "own", "hidden", 1)
		if code, body := s.as(tenant, tt.method, path); code != tt.hidden {
			t.Errorf("%s %s of another: %d, want %d: %s", tt.method, path, code, tt.hidden, body)
		}
	}
	for _, path := range []string{"POST /vassals/hidden/stop", "GET /vassals/hidden/changes"} {
		method, path, _ := strings.Cut(path, " ")
		if code, body := s.as(both, method, path); code != 403 {
			t.Errorf("%s %s as a member of the read group who owns another: %d: %s", method, path, code, body)
		}
	}
}

// A vassal of another is like one that does not exist: the same answer, and no list has it.
func TestVassalOfAnotherDoesNotExist(t *testing.T) {
	s, without := tenants(t), play(t)
	for _, path := range []string{"GET /vassals/hidden", "GET /vassals/hidde", "GET /vassals/hidden.ini/logs", "GET /logs?vassal=hidden", "GET /events?vassal=hidden", "POST /vassals/hidden/stop", "POST /vassals/hidden/start?wait"} {
		method, path, _ := strings.Cut(path, " ")
		code, body := s.as(tenant, method, path)
		wantCode, want := without.as(tenant, method, path)
		if code != wantCode || body != want {
			t.Errorf("%s %s: %d %s, and without it %d %s", method, path, code, body, wantCode, want)
		}
	}
	if _, body := s.as(tenant, "GET", "/emperor"); !strings.Contains(body, `"vassals":{"running":1}`) {
		t.Errorf("the emperor: %s", body)
	}
	// The name goes to another owner; the old lines and events are not for the new one.
	c := monitor.Text("own.ini", "well, secretly")
	c.UID = 1002
	s.monitor.Remove("own.ini")
	for s.call("GET", "/vassals/own.ini", &Status{}) == nil {
		time.Sleep(time.Millisecond)
	}
	s.monitor.Put(c)
	s.until("own.ini", emperor.Running)
	if code, body := s.as(tenant, "GET", "/vassals/own"); code != 404 {
		t.Errorf("%d %s", code, body)
	}
	if _, body := s.as(tenant, "GET", "/events"); strings.Contains(body, "secretly") || !strings.Contains(body, "own.ini") {
		t.Errorf("events: %s", body)
	}
}

// No request of a tenant, whatever its form, has an answer with the name of a vassal of another, and none
// changes that vassal.
func FuzzTenant(f *testing.F) {
	for _, o := range routes() {
		for _, name := range []string{"own", "hid", "rooted.ini", "*", "..%2fhid", ""} {
			f.Add(o.method, strings.ReplaceAll(o.path, "{name}", name), "vassal=h*&lines=9")
		}
	}
	s := tenants(f)
	hidden := func(t testing.TB) emperor.Record {
		records, err := s.emperor.Records(t.Context())
		i := slices.IndexFunc(records, func(r emperor.Record) bool { return r.Name == "hidden.ini" })
		if err != nil || i < 0 {
			t.Fatal(err, records)
		}
		return records[i]
	}
	before := hidden(f)
	f.Fuzz(func(t *testing.T, method, path, query string) {
		if !slices.Contains([]string{"GET", "POST", "PUT", "DELETE", "HEAD"}, method) || strings.ContainsAny(query, "\x00\r\n") || strings.Contains(query, "follow") || strings.Contains(query, "wait") {
			return
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://emperor", nil)
		if err != nil {
			return
		}
		r.URL.Path, r.URL.RawQuery = prefix+"/"+strings.TrimPrefix(path, "/"), query
		asked := strings.Contains(path+r.URL.Query().Encode(), "hidden")
		r = r.WithContext(withConn(r.Context(), &limitedConn{listener: newLimited(nil), rights: tenant}))
		w := httptest.NewRecorder()
		s.server.admit(s.server.routes()).ServeHTTP(w, r)
		if body := w.Body.String(); !asked && (strings.Contains(body, "hidden") || strings.Contains(body, "rooted")) && !strings.Contains(path+query, "rooted") {
			t.Errorf("%s %q ? %q: %d %s", method, path, query, w.Code, body)
		}
		if now := hidden(t); now.Generation != before.Generation || now.Reloads != before.Reloads || now.Desired != before.Desired {
			t.Fatalf("%s %q ? %q has changed it: %+v", method, path, query, now)
		}
	})
}

// The groups of a process are its own and the supplementary ones.
func TestRightsByGroup(t *testing.T) {
	g := &Gate{Groups: []uint32{500}, ReadGroups: []uint32{600}}
	for _, tt := range []struct {
		uid    int
		groups []uint32
		owners bool
		want   Right
	}{
		{0, nil, false, Govern}, {77, []uint32{1, 500}, false, Govern}, {77, []uint32{600, 500}, false, Govern}, {77, []uint32{600}, true, Read}, {77, []uint32{1}, true, Nothing}, {77, nil, false, Nothing},
	} {
		g.Owners = tt.owners
		if got := g.rights(&namespaces.Caller{UID: tt.uid, Groups: tt.groups}); got != (Rights{UID: tt.uid, All: tt.want, Own: tt.owners}) {
			t.Errorf("%+v: %+v", tt, got)
		}
	}
}

// Tenants leave room for the operator, and one for the others.
func TestTenantsShareLongRequests(t *testing.T) {
	var l longRequests
	enter := func(c Rights) bool { _, ok := l.enter(c); return ok }
	for n := range 100 {
		if ok := enter(tenant); ok != (n < maxOfTenant) {
			t.Fatalf("request %d of a tenant: %v", n, ok)
		}
	}
	for uid := range 100 {
		enter(Rights{UID: 2000 + uid, Own: true})
	}
	if l.all != maxOfTenants {
		t.Errorf("%d of tenants, want %d", l.all, maxOfTenants)
	}
	for n := range maxLongRequests - maxOfTenants {
		if !enter(root) {
			t.Errorf("no room for request %d of the operator", n)
		}
	}
	if enter(root) {
		t.Error("the limit is exceeded")
	}
	l.leave(tenant)
	if !enter(tenant) || len(l.of) > maxOfTenants {
		t.Error("the place of a request that ended is not free")
	}
}
