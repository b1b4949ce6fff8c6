//go:build linux

package integration

import (
	"strings"
	"syscall"
	"testing"
)

// An edit that needs a new process which does not become ready leaves the configuration before it
// running: at once, after a crash, and until the next edit.
func TestEditsThatDoNotBecomeReady(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]struct {
		options []string
		why     string
		late    bool // it runs before it dies
	}{
		"a program that dies":            {[]string{"umask = 027", "command = sh -c 'echo cannot go on; exit 3'"}, "exit status 3", false},
		"a program that is never ready":  {[]string{"umask = 027", "ready-timeout = 1", "notify-ready = true", "command = sleep 1000"}, "READY=1", false},
		"a hook that fails":              {[]string{"exec-as-root = false", serves}, "hook as-root #1", false},
		"a program that cannot be found": {[]string{"umask = 027", "command = /no/such/program"}, "/no/such/program", false},
		"a program in its place":         {[]string{"umask = 027", "unprivileged-binary-patch-arg = sh -c 'exit 3'"}, "exit status 3", true},
		"a fallback beside that":         {[]string{"exec-as-root = false", "fallback-config = /etc/passwd", serves}, "hook as-root #1", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			good := []string{"http-socket = 127.0.0.1:8080", "route-run = send:one"}
			w.vassal("a.ini", good...)
			e := w.start(sharesNetwork, "--emperor-change-pause", "0")
			e.running("a.ini")
			v := w.visited("127.0.0.1:8080")
			v.settle()
			v.tally()
			w.vassal("a.ini", append([]string{"http-socket = 127.0.0.1:8080"}, broken.options...)...)
			e.await("a.ini", "cannot take the edit over; starting the configuration before it again")
			eventually(t, "the old configuration serves", func() bool { s := v.tally(); return s.Lost == 0 && s.Served > 10 })
			told := func() {
				t.Helper()
				eventually(t, "the list tells of the edit", func() bool {
					r := w.list()["a.ini"]
					return r.State == "running" && strings.Contains(r.Error, "the edit at ") && strings.Contains(r.Error, broken.why) && strings.HasSuffix(r.Error, "; the configuration before it runs")
				})
			}
			told()

			if err := syscall.Kill(w.list()["a.ini"].PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the old configuration serves after a crash", func() bool { s := v.tally(); return s.Lost == 0 && s.Served > 10 })
			told()

			out, code := w.command("restart", "--wait", "a.ini")
			if !broken.late && (code != 1 || !strings.Contains(out, "the edit at ")) {
				t.Errorf("restart --wait ends with %d: %s", code, out)
			}
			w.vassal("a.ini", append(good, "umask = 022")...)
			eventually(t, "the next edit is taken over", func() bool { r := w.list()["a.ini"]; return r.State == "running" && r.Error == "" })
			e.stop(syscall.SIGTERM)
		})
	}
}
