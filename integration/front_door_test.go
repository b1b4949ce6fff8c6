//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nginx has a site for each vassal, by the template of the example: sites come and go with vassals, a restart of
// a vassal or of the emperor changes nothing, and a configuration that nginx refuses is taken back.
func TestFrontDoorOfNginx(t *testing.T) {
	t.Parallel()
	w, _ := networked(t)
	for _, dir := range []string{"n", "a", "b"} {
		w.run("mkdir -p " + w.path(dir))
	}
	w.write("a/page", "page of a")
	w.write("b/page", "page of b")
	site := func(name string, options ...string) {
		w.vassal(name+".ini", append([]string{"http-socket = :8080", "static-map = /=" + w.path(name), "uid = 4001", "gid = 4001"}, options...)...)
	}
	site("a")
	text, err := os.ReadFile("../examples/front-door/nginx.conf.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	template, out, reloads := w.path("template"), w.path("n/vassals.conf"), w.path("reloads")
	w.write("template", string(text))
	conf := w.path("n/nginx.conf")
	w.write("n/nginx.conf", "user root; pid "+w.path("n/pid")+"; error_log "+w.path("n/error")+"; events {} http { access_log off; include "+w.path("n/vassals*.conf")+"; }")
	e := w.start(routedArgs...)
	e.running("a.ini")

	// Once, before nginx runs.
	w.succeed("render", template, out)
	w.run("nginx -e " + w.path("n/error") + " -c " + conf)
	stopped := false
	stop := func() {
		if !stopped {
			w.run("nginx -e " + w.path("n/error") + " -c " + conf + " -s quit")
			stopped = true
		}
	}
	defer stop()
	ask := func(host string) string {
		return w.run("curl -s -m 5 -H 'Host: " + host + "' http://198.18.0.1/page || true")
	}
	if got := ask("a.example.org"); got != "page of a" {
		t.Errorf("a answers %q", got)
	}
	if got := ask("b.example.org"); !strings.Contains(got, "404") {
		t.Errorf("b, which does not exist, answers %q", got)
	}

	reload := "echo reload >>" + reloads + "; nginx -q -t -e " + w.path("n/error") + " -c " + conf + " && nginx -e " + w.path("n/error") + " -c " + conf + " -s reload"
	render := w.inside(program("emperor"), "render", "--follow", "--run", reload, template, out)
	render.Stderr = os.Stderr
	if err := render.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = render.Process.Signal(syscall.SIGTERM); _ = render.Wait() }()
	site("b")
	e.running("b.ini")
	eventually(t, "nginx has the site of b", func() bool { return ask("b.example.org") == "page of b" })
	if got := ask("a.example.org"); got != "page of a" {
		t.Errorf("a answers %q", got)
	}

	// A restart changes nothing. The edit of another vassal shows that the events have been seen.
	before := lines(reloads)
	for range 3 {
		w.succeed("restart", "--wait", "a")
	}
	if err := os.Remove(filepath.Join(w.vassals, "b.ini")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "b is gone", func() bool { return strings.Contains(ask("b.example.org"), "404") })
	if after := lines(reloads); len(after) != len(before)+1 {
		t.Errorf("three restarts and one removal take %d reloads", len(after)-len(before))
	}

	// A template that nginx refuses.
	w.write("template", string(text)+"\nno such directive;\n")
	site("b")
	eventually(t, "the command has failed", func() bool { return len(lines(reloads)) == len(before)+2 })
	eventually(t, "the former file is back", func() bool {
		now, err := os.ReadFile(out)
		return err == nil && !strings.Contains(string(now), "no such directive")
	})
	if got := ask("a.example.org"); got != "page of a" {
		t.Errorf("a answers %q", got)
	}

	// An emperor that is started again.
	w.write("template", string(text))
	e.stop(syscall.SIGTERM)
	e = w.start(routedArgs...)
	e.running("a.ini")
	e.running("b.ini")
	eventually(t, "both sites are there", func() bool {
		return ask("a.example.org") == "page of a" && ask("b.example.org") == "page of b"
	})
	stop()
	e.stop(syscall.SIGTERM)
}
