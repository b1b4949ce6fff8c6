package config

import (
	"testing"

	"github.com/emperor-go/emperor/pkg/config/option"
)

func TestProbes(t *testing.T) {
	for text, want := range map[string]Probe{
		"tcp:127.0.0.1:80":             {Kind: "tcp", Address: "127.0.0.1:80"},
		"tcp://[::1]:80":               {Kind: "tcp", Address: "[::1]:80"},
		"tcp:/run/app.sock":            {Kind: "tcp", Address: "/run/app.sock"},
		"http://127.0.0.1:8080/health": {Kind: "http", Address: "127.0.0.1:8080", Path: "/health"},
		"http://localhost":             {Kind: "http", Address: "localhost:80", Path: "/"},
		"http://[::1]/up":              {Kind: "http", Address: "[::1]:80", Path: "/up"},
		"http:http://localhost/a/b":    {Kind: "http", Address: "localhost:80", Path: "/a/b"},
	} {
		v := &Vassal{}
		if err := setProbe(v, option.Value{Text: text}); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := v.Ready.Probe; got.Kind != want.Kind || got.Address != want.Address || got.Path != want.Path {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// Only commands that need a shell get one.
func TestCommandsOfDaemons(t *testing.T) {
	for text, script := range map[string]bool{
		"/srv/queue --name=x 'two words'": false, `queue a\ b "c d"`: false,
		"cd /srv && ./queue": true, "NAME=x queue": true, "queue >/dev/null 2>&1": true, "queue $HOME": true, "queue *.conf": true, "a | b": true,
	} {
		v := &Vassal{}
		if err := v.attach(Daemon{}, text, Origin{}); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if d := v.Daemons[0]; d.Shell != script || d.Text != text {
			t.Errorf("%s: for a shell: %v, text %q", text, d.Shell, d.Text)
		}
	}
}
