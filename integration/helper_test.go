//go:build linux

package integration

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// A vassal asks vassal-helper for the work of large packages: pages, names of hosts and expressions that
// are not plain, while it is read and in hooks. An answer that is an error has its cause.
func TestVassalAsksHelper(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("page", "from a page")
	w.vassal("web.ini", "http-socket = 127.0.0.1:8095", "static-map = /page="+w.path("page"))
	e := w.start()
	e.running("web.ini")
	w.write("asking.ini", ini(
		"set = a=@(http://127.0.0.1:8095/page)", "if-hostname-match = ^[[:alnum:].-]{1,99}$", "set = b=matched", "endif",
		"resolve = c=localhost", "route = ^/a{2,3} break:403", "hook-asap = print:%(a), %(b), %(c)",
		"hook-as-user = wait_for_socket:localhost:8095", "hook-as-user = wait_for_http:localhost:8095/page", "hook-post-fork = wait_for_socket:localhost:8095",
		"hook-as-user = print:it was there", "command = sh -c 'echo it runs; exec sleep 1000000'", "http-socket = 127.0.0.1:8096",
	))
	vassal := w.inside(program("vassal"), "--ini", w.path("asking.ini"))
	log := w.path("asking.log")
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	vassal.Stdout, vassal.Stderr = f, f
	if err := vassal.Start(); err != nil {
		t.Fatal(err)
	}
	text := func() string {
		text, _ := os.ReadFile(log)
		return string(text)
	}
	eventually(t, "it runs", func() bool { return strings.Contains(text(), "it runs") })
	for _, want := range []string{"from a page, matched, 127.0.0.1", "it was there"} {
		if !strings.Contains(text(), want) {
			t.Errorf("no %q in %s", want, text())
		}
	}
	if err := vassal.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = vassal.Wait()
	for line, want := range map[string]string{
		"static-expires = (x 3":                 "is not a regular expression: error parsing regexp: missing closing )",
		"route = ^/a{3,2} break:403":            "invalid repeat count",
		"if-hostname-match = (":                 "missing closing )",
		"set = a=@(http://127.0.0.1:8095/none)": "the server did not answer 200",
		"set = a=@(http://127.0.0.1:1/)":        "connection refused",
		"resolve = a=no.such.host.invalid":      "cannot resolve \"no.such.host.invalid\"",
	} {
		w.write("wrong.ini", ini(line, serves))
		out, err := w.inside("timeout", "20", program("vassal"), "--ini", w.path("wrong.ini")).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, %s; want %q", line, err, out, want)
		}
	}
}
