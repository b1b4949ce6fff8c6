package config

import (
	"reflect"
	"strings"
	"testing"
)

// An option without effect is reported, and a probe that proves nothing is a mistake.
func TestUnheeded(t *testing.T) {
	const (
		patch  = "unprivileged-binary-patch-arg = sleep 9\n"
		daemon = "attach-daemon = sleep 9\n"
		serves = "command = sleep 9\n"
	)
	for name, tt := range map[string]struct{ text, warning, problem string }{
		"patch":          {patch + "stop-signal = INT\nready-probe = tcp:127.0.0.1:1\nnotify-ready = true", "", ""},
		"patch, workers": {patch + "processes = 2\ntouch-reload = /x", "a program that replaces the vassal has no master of workers, so there is no effect of processes, touch-reload", ""},
		"daemons":        {daemon + "ready-probe = tcp:127.0.0.1:1\nready-timeout = 3", "", ""},
		"daemons, notify": {
			daemon + "notify-ready = true\nstop-signal = INT", "there are only daemons and no workers, so there is no effect of notify-ready, stop-signal", "",
		},
		"command": {serves + "reload-signal = HUP\nstop-signal = INT\nreload-order = stop-first", "", ""},
		"exit, signal": {
			serves + "reload-signal = HUP\nexit-on-reload = true", "a.ini:3: reload-signal: it is never sent: exit-on-reload ends the vassal instead (give one of them)", "",
		},
		"no exit, signal": {serves + "reload-signal = HUP\nexit-on-reload = false", "", ""},
		"http, unix":      {serves + "ready-probe = http:///run/a.sock", "", `"/run/a.sock" names no host to ask by HTTP (tcp:/path/of/socket for a unix socket, or exec:COMMAND that asks it)`},
		"http, no slash":  {serves + "ready-probe = http:/run/a.sock", "", `"/run/a.sock" names no host`},
		"http, here":      {serves + "ready-probe = http://./a.sock", "", `"./a.sock" names no host`},
		"http, no name":   {serves + "ready-probe = http://@/", "", "no address given"},
		"http, any host":  {serves + "ready-probe = http://:8080", "", ""},
		"http, port 80":   {serves + "ready-probe = http://localhost", "", ""},
		"tcp, unix":       {serves + "ready-probe = tcp:/run/a.sock", "", ""},
		"server":          {"http-socket = :80\nstatic-map = /=/\nreload-signal = HUP", "only a command receives it", ""},
		"server, stop":    {"http-socket = :80\nstatic-map = /=/\nstop-signal = WINCH", "only a command receives it; SIGTERM ends the built-in server", ""},
		"server before":   {"http-socket = :80\nstatic-map = /=/\nstop-signal = WINCH\n" + serves, "", ""},
		"no backend":      {"http-socket = :80\nstatic-map = /=/\nhttp-to-wait = 3", "there is no server to wait for (http-to = ADDRESS)", ""},
		"backend":         {"http-socket = :80\nhttp-to = :81\nhttp-to-wait = 3", "", ""},
		"order":           {serves + "reload-order = first", "", `"first" is not an order of a reload (start-first or stop-first)`},
		"own port":        {serves + "http-socket = :8080\nready-probe = tcp:127.0.0.1:8080", "", "the vassal listens there itself"},
		"own, all":        {serves + "socket = [::]:8080\nready-probe = tcp::8080", "", "the vassal listens there itself"},
		"own path":        {serves + "socket = /run/a.sock\nready-probe = tcp:/run/./a.sock", "", "the vassal listens there itself"},
		"shared":          {serves + "shared-socket = :80\nready-probe = tcp:localhost:80", "", "the vassal listens there itself"},
		"other port":      {serves + "http-socket = :8080\nready-probe = tcp:127.0.0.1:8081", "", ""},
		"other host":      {serves + "http-socket = 127.0.0.2:8080\nready-probe = tcp:127.0.0.1:8080", "", ""},
		"own, by http":    {serves + "http-socket = :8080\nready-probe = http://127.0.0.1:8080/", "", ""},
		"own, by patch":   {patch + "http-socket = :8080\nready-probe = tcp:127.0.0.1:8080", "", "the vassal listens there itself"},
	} {
		t.Run(name, func(t *testing.T) {
			_, warnings, err := ParseVassal(Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte("[uwsgi]\n" + tt.text + "\n")})
			said, failed := "", ""
			if len(warnings) > 0 {
				said = warnings[0].Error()
			}
			if err != nil {
				failed = err.Error()
			}
			if tt.warning == "" && said != "" || !strings.Contains(said, tt.warning) {
				t.Errorf("warnings %q, want %q", said, tt.warning)
			}
			if tt.problem == "" && failed != "" || !strings.Contains(failed, tt.problem) {
				t.Errorf("problems %q, want %q", failed, tt.problem)
			}
		})
	}
}

// Only a command that finds sockets runs twice at once, unless its file has an option for that.
func TestReloadOrder(t *testing.T) {
	for text, want := range map[string]ReloadOrder{
		"command = redis-server":                                                       StopFirst,
		"command = redis-server\nreload-order = start-first":                           StartFirst,
		"command = app\nhttp-socket = :80":                                             StartFirst,
		"command = app\nhttp-socket = :80\nreload-order = stop-first":                  StopFirst,
		"command = app\nstats = :81":                                                   StopFirst,
		"command = app\nhttp-socket = :80\nstatic-map = /s=/s":                         StartFirst,
		"command = app\nhttp-socket = :80\nstatic-map = /s=/s\nhttp-to = 127.0.0.1:81": StopFirst,
		"command = app\nhttp = :80":                                                    StartFirst,
		"command = app\nhttp = :80\nsocket = /s":                                       StartFirst,
		"worker-exec = app\nsocket = /s":                                               StartFirst,
		"http-socket = :80\nstatic-map = /=/srv":                                       StartFirst,
		"attach-daemon = app":                                                          StartFirst,
	} {
		v, _, err := ParseVassal(Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte("[uwsgi]\n" + text + "\n")})
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := v.ReloadOrder(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// An HTTP probe connects to port 80 unless its address has another one; an abstract name has none.
func TestAddressOfHTTPProbe(t *testing.T) {
	for text, want := range map[string]Probe{
		"http://localhost":     {Kind: "http", Address: "localhost:80", Path: "/"},
		"http://:8080/up/now":  {Kind: "http", Address: ":8080", Path: "/up/now"},
		"http://@app/up":       {Kind: "http", Address: "@app", Path: "/up"},
		"http:http://[::1]:81": {Kind: "http", Address: "[::1]:81", Path: "/"},
	} {
		v, _, err := ParseVassal(Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte("[uwsgi]\ncommand = sleep 9\nready-probe = " + text + "\n")})
		if err != nil || !reflect.DeepEqual(v.Ready.Probe, want) {
			t.Errorf("%s: %+v, %v", text, v.Ready.Probe, err)
		}
	}
}
