package config

import (
	"strings"
	"testing"
)

func TestServerBeforeACommand(t *testing.T) {
	for _, c := range []struct {
		lines   string
		fronted bool
		fronts  string // the sockets' options that the server has
		routed  string // the target of the routers
		early   string
	}{
		{"http = :80\ncommand = x", false, "", "", "http"},
		{"http = :80\nstatic-map = /=/srv", false, "", "", "http"},
		{"http = :80\nsocket = a\ncommand = x", true, "http", "socket", "http"},
		{"socket = a\nhttp = :80\nstats = b\ncommand = x", true, "http stats", "socket", "http"},
		{"http = /run/x\ncommand = x", false, "", "", ""},
		{"http = =0\nshared-socket = :80\ncommand = x", false, "", "", ""},
		{"https = :443,c,k\ncommand = x", true, "https", "", "https"},
		{"https-socket = :443,c,k\ncommand = x", true, "https-socket", "", ""},
		{"http-socket = :80\nstatic-map = /=/srv\ncommand = x", true, "http-socket", "http-socket", ""},
		{"http-socket = :80\nadd-header = A: b\nworker-exec = x", true, "http-socket", "http-socket", ""},
		{"http-socket = :80\nenable-proxy-protocol = true\nworker-exec = x", true, "http-socket", "http-socket", ""},
		{"http-socket = :80\nroute = ^/x break:403\ncommand = x", true, "http-socket", "http-socket", ""},
		{"http-socket = :80\nstats = b\ncommand = x", false, "", "http-socket", ""},
		{"http-socket = :80\nhttp-timeout = 3\ncommand = x", false, "", "http-socket", ""},
	} {
		v, _, err := ParseVassal(Source{Path: "/a.ini", Data: []byte("[uwsgi]\n" + c.lines + "\n")})
		if err != nil {
			t.Errorf("%q: %v", c.lines, err)
			continue
		}
		var fronts, early []string
		for _, s := range v.Sockets {
			if v.Fronted() && v.Fronts(s.Name) {
				fronts = append(fronts, s.Name)
			}
		}
		for _, s := range v.Early() {
			early = append(early, s.Name)
		}
		routed := ""
		if s := v.Routed(); s != nil {
			routed = s.Name
		}
		if v.Fronted() != c.fronted || strings.Join(fronts, " ") != c.fronts || routed != c.routed || strings.Join(early, " ") != c.early {
			t.Errorf("%q: fronted %v, has %q, passes on to %q, early %q", c.lines, v.Fronted(), fronts, routed, early)
		}
	}
}

// TestRouterOfATenant: a tenant's own file gets no port by the emperor's rights.
func TestRouterOfATenant(t *testing.T) {
	text := "[uwsgi]\ncommand = x\nhttp = :80\nhttps = :443,c,k\n"
	v, _, err := ParseVassal(Source{Path: "/a.ini", Data: []byte(text), Tenant: true})
	if err != nil || len(v.Sockets) != 2 || len(v.Early()) != 0 {
		t.Errorf("%+v, early %v: %v", v.Sockets, v.Early(), err)
	}
}

func TestServerPassesNothingOnByFastCGI(t *testing.T) {
	for lines, wrong := range map[string]bool{
		"fastcgi-socket = a\nstatic-map = /=/srv":                    true,
		"socket = a\nsocket-protocol = fastcgi\nstatic-map = /=/srv": true,
		"http = :80\nfastcgi-socket = a":                             true,
		"fastcgi-socket = a\nstatic-map = /=/srv\nhttp-to = :8000":   false,
		"fastcgi-socket = a":                                         false,
	} {
		_, _, err := ParseVassal(Source{Path: "/a.ini", Data: []byte("[uwsgi]\ncommand = x\n" + lines + "\n")})
		if got := err != nil && strings.Contains(err.Error(), "cannot pass requests on to a command by FastCGI"); got != wrong || err != nil && !wrong {
			t.Errorf("%q: %v, want a mistake: %v", lines, err, wrong)
		}
	}
}

func TestOptionsOfAServerThatIsNotThere(t *testing.T) {
	for lines, want := range map[string]string{
		"command = x\nharakiri = 3\nbuffer-size = 4096\nharakiri = 4": "/a.ini:4: only the built-in server uses harakiri, buffer-size, and",
		"command = x\nharakiri = 3\nstatic-map = /=/srv":              "",
		"command = x\nneed-app = true\nsocket-protocol = http":        "",
		"attach-daemon = x\nharakiri = 3":                             "",
	} {
		_, warnings, err := ParseVassal(Source{Path: "/a.ini", Data: []byte("[uwsgi]\nhttp-socket = :80\n" + lines + "\n")})
		if got := warnings.Error(); err != nil || !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%q: %q, %v, want %q", lines, got, err, want)
		}
	}
}
