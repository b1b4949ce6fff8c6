package emperor

import (
	"slices"
	"testing"
)

func TestVassalEnviron(t *testing.T) {
	s := System{Environ: []string{
		"PATH=/bin", "UWSGI_VASSAL_HTTP_SOCKET=:80", "UWSGI_EMPEROR_FD=9", "EMPEROR_ORDER_FD=8", "LISTEN_FDS=1", "WATCHDOG_USEC=1",
		"NOTIFY_SOCKET=/run/notify", "GOMAXPROCS=7", "UWSGIX=1",
	}}
	want := []string{
		"PATH=/bin", "UWSGI_HTTP_SOCKET=:80", "EMPEROR_GOMAXPROCS=7", "UWSGIX=1",
		"GOMAXPROCS=1", "UWSGI_EMPEROR_FD=3", "EMPEROR_ORDER_FD=4",
	}
	if got := s.vassalEnviron(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
