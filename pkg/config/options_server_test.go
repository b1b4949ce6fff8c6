package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/assist/direct"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

func TestServerOptions(t *testing.T) {
	v, _, err := ParseVassal(Source{Name: "a.ini", Path: "/etc/a.ini", Data: []byte(`[uwsgi]
https-socket = :443,web.crt,web.key
static-map = /s=/srv
static-map2 = /t=/srv
check-static = /pub
static-expires = \.png$ 3600
static-expires-type-mtime = image/png=60
cgi = /usr/lib/cgi-bin
cgi = /c=/srv/c
http-to = 127.0.0.1:99
route = ^/x break:403 no
route-run = log:hello
harakiri = 5
limit-post = 2m
log-slow = 100
log-date = true
`)})
	if err != nil {
		t.Fatal(err)
	}
	want := serving.Options{
		StaticMaps:  []serving.Map{{Mount: "/s", Dir: "/srv"}, {Mount: "/t", Dir: "/srv", Whole: true}},
		CheckStatic: []string{"/pub"},
		Expires:     []serving.Expires{{Subject: "file", Pattern: `\.png$`, Seconds: 3600}, {Subject: "type", Pattern: "image/png", Seconds: 60, FromMtime: true}},
		CGI:         []serving.Map{{Mount: "/", Dir: "/usr/lib/cgi-bin"}, {Mount: "/c", Dir: "/srv/c"}},
		HTTPTo:      []string{"127.0.0.1:99"},
		Routes: []serving.Route{
			{Subject: "path-info", Pattern: "^/x", Action: "break", Arg: "403 no", Origin: "/etc/a.ini:11"},
			{Subject: "run", Action: "log", Arg: "hello", Origin: "/etc/a.ini:12"},
		},
		Certificates:   []serving.Certificate{{Address: ":443", Cert: "web.crt", Key: "web.key"}},
		RequestTimeout: 5 * time.Second, LimitPost: 2 << 20, Log: serving.Log{Slow: 100 * time.Millisecond},
	}
	if last := v.Server.Written[len(v.Server.Written)-1]; last != (serving.Written{Name: "log-date", Text: "true", Origin: "/etc/a.ini:16"}) {
		t.Errorf("the last is handed on as %+v", last)
	}
	v.Server.Written = nil
	if !reflect.DeepEqual(v.Server, want) {
		t.Errorf("got  %+v\nwant %+v", v.Server, want)
	}
}

func TestStatsOfCommands(t *testing.T) {
	v, warnings, err := ParseVassal(Source{Path: "/a.ini", Data: []byte("[uwsgi]\ncommand = x\nstats = :1\nsocket = :2\n")})
	if err != nil || len(v.Sockets) != 1 || v.Sockets[0].Name != "socket" || !strings.Contains(warnings.Error(), "/a.ini:3: stats: only the built-in server") {
		t.Errorf("%v %v %v", v, warnings, err)
	}
}

func TestServerOptionsRefuse(t *testing.T) {
	for line, want := range map[string]string{
		"static-map = x":                  "is not a mapping",
		"static-expires = ( 3":            "is not a regular expression",
		"static-expires = x":              "is not a rule",
		"static-expires-type = a/b=x":     "is not a number of seconds",
		"route = ^/x fly:away":            `unknown action "fly"`,
		"route = (x break:403":            "missing closing",
		"route = ^/x":                     "there is no action",
		"route-if = likes:x last:":        "unknown test",
		"route-run = basicauth:realm":     "basicauth needs",
		"route-run = expires:when=now":    "unknown key",
		"http-to =":                       "no value given",
		"https-socket = :443":             "is not an address with certificate and key",
		"https-socket = :443,web.crt":     "is not an address with certificate and key",
		"https-socket = :443,a,b,,c,d":    "is not an address with certificate and key",
		"https-socket = :443,a,b,RC4":     "ciphers cannot be chosen",
		"limit-post = 99999999999999999g": "is not a size",
		"buffer-size = 12":                "out of range",
		"socket-protocol = gopher":        "unknown protocol",
		"socket-timeout = 0":              "must not be zero",
		"add-header = x":                  "is not a header",
		"add-header = X-Größe: 1":         "is not a header",
		"add-header = X A: 1":             "is not a header",
		"route-run = addheader:X A: 1":    "addheader needs",
		"cgi = x=/y":                      "is not a mapping",
		"cgi-helper = .py":                "is not a helper",
	} {
		l := Loader{Permissions: Permissions{Partial: true, Means: direct.Means()}}
		_, _, err := l.Vassal(Source{Path: "/a.ini", Data: []byte("[uwsgi]\nhttp-socket = :1\nstatic-map = /=/srv\n" + line + "\n")})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "/a.ini:4") {
			t.Errorf("%s: %v, want %q with its place", line, err, want)
		}
	}
}
