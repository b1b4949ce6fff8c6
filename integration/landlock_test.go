//go:build linux

package integration

import (
	"fmt"
	"strings"
	"testing"
)

// Programs of a vassal read, write, execute and bind only below its paths, in every process, and a
// missing path ends the boot with its line.
func TestLandlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir -m 1777 " + w.path("s/in") + " " + w.path("s/out") + "; echo text >" + w.path("s/out/file"))
	user := []string{"uid = 4001", "gid = 4001"}
	say := func(script string) string {
		return `command = sh -c '` + script + `; exec sleep 1000000'`
	}
	write := "(echo x >" + w.path("s/out/new") + ") 2>/dev/null && echo outside written; echo x >" + w.path("s/in/new") + " && echo inside written; echo x >/dev/null && echo device written"
	w.vassal("write.ini", append(user, "landlock-write = "+w.path("s/in"), say(write), "exec-as-user = (echo x >"+w.path("s/out/hook")+") 2>/dev/null && echo outside written || echo hook refused")...)
	w.vassal("read.ini", append(user, "landlock-read = /usr", "landlock-read = -/lib", "landlock-read = -/lib64", "landlock-read = /etc", "landlock-read = -/bin", "landlock-read = -/nothing",
		say("cat "+w.path("s/out/file")+" || echo not read; cat /etc/passwd >/dev/null && echo etc read"))...)
	w.vassal("execute.ini", append(user, "landlock-execute = /usr", "landlock-execute = -/lib", "landlock-execute = -/lib64", say("cp /bin/true "+w.path("s/in/true")+"; "+w.path("s/in/true")+" || echo not executed"))...)
	w.vassal("bind.ini", append(user, "exec-as-root = ip link set lo up", "landlock-tcp-bind = 8081", "system-call-filter = default",
		say(`for port in 8080 8081; do timeout 1 python3 -m http.server $port --bind 127.0.0.1 >/dev/null 2>&1; echo port $port: $?; done`))...)
	w.vassal("missing.ini", append(user, "landlock-read = /not/there", serves)...)
	w.run("chmod 1777 " + w.path("s") + "")
	w.vassal("server.ini", append(user, "landlock-execute = /usr/share", "landlock-read = /usr", "http-socket = "+w.path("s/web"), "static-map = /=/usr/share")...)
	w.vassal("probed.ini", append(user, "landlock-write = "+w.path("s/in"), "unprivileged-binary-patch-arg = sleep 1000000",
		"ready-probe = exec:sh -c '! (echo x >"+w.path("s/out/probe")+") 2>/dev/null && echo x >"+w.path("s/in/probe")+"'")...)
	w.write("s/fallback.ini", ini(append(user, "landlock-write = "+w.path("s"), serves)...))
	w.vassal("again.ini", append(user, "landlock-write = "+w.path("s/in"), "exec-as-user = false", serves, "fallback-config = "+w.path("s/fallback.ini"))...)
	many := append(user, serves)
	for i := range 400 {
		many = append(many, fmt.Sprintf("landlock-read = -/not/there/%d", i))
	}
	w.vassal("many.ini", append(many, "landlock-read = /")...)
	e := w.start(allNamespaces)
	e.running("again.ini")
	e.running("many.ini")
	e.await("missing.ini", "missing.ini:4: landlock-read: open /not/there: no such file or directory")
	for name, texts := range map[string][]string{
		"write.ini": {"hook refused", "inside written", "device written"}, "read.ini": {"not read", "etc read"}, "execute.ini": {"not executed"},
		"bind.ini": {"port 8080: 1", "port 8081: 124"},
	} {
		for _, text := range texts {
			e.await(name, text)
		}
	}
	e.running("server.ini")
	e.running("write.ini")
	e.running("probed.ini")
	script := "(echo x >" + w.path("s/out/entered") + ") 2>/dev/null && echo outside written; (echo x >" + w.path("s/in/entered") + ") && echo inside written; grep -c NoNewPrivs:.1 /proc/self/status"
	for _, name := range []string{"write.ini", "again.ini"} {
		if got := strings.TrimSpace(output(t, w.entered(name, "sh", "-c", script))); got != "inside written\n1" {
			t.Errorf("a program of enter in %s says %q", name, got)
		}
	}
	if out, code := w.command("enter", "many.ini", "true"); code == 0 || !strings.Contains(out, "more landlock paths than it can report") || !strings.Contains(out, "--root") {
		t.Errorf("with too many paths: %d, %s", code, out)
	}
	if e.count("write.ini", "outside written") > 0 {
		t.Errorf("a program wrote outside:\n%s", e.tail())
	}
}
