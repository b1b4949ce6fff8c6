package config

import "testing"

func TestProbes(t *testing.T) {
	for text, want := range map[string]Probe{
		"tcp:127.0.0.1:80":             {Kind: "tcp", Address: "127.0.0.1:80"},
		"tcp://[::1]:80":               {Kind: "tcp", Address: "[::1]:80"},
		"tcp:/run/app.sock":            {Kind: "tcp", Address: "/run/app.sock"},
		"http://127.0.0.1:8080/health": {Kind: "http", Address: "127.0.0.1:8080", Path: "/health"},
		"http://localhost":             {Kind: "http", Address: "localhost:80", Path: "/"},
		"http:http://localhost/a/b":    {Kind: "http", Address: "localhost:80", Path: "/a/b"},
	} {
		v := &Vassal{}
		if err := setProbe(v, value{text: text}); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := v.Ready.Probe; got.Kind != want.Kind || got.Address != want.Address || got.Path != want.Path {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}
