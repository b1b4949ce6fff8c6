//go:build linux

package integration

import (
	"os"
	"strings"
	"testing"
)

// A user of the name service switch who is not in /etc/passwd, with a group and a
// supplementary group from the same source, works for the vassal, for its sockets, for hooks
// and for `emperor check`.
func TestUsersOfTheNameServiceSwitch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.Mkdir(w.path("extra"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("extra/passwd", "faraway:x:70001:70001:Far Away:/srv:/bin/sh\n")
	w.write("extra/group", "faraway:x:70001:\nfurther:x:70002:faraway\n")
	w.write("extra/shadow", "")
	w.write("nsswitch.conf", "passwd: files extrausers\ngroup: files extrausers\n")
	w.run("mkdir -p /var/lib/extrausers && mount --bind " + w.path("extra") + " /var/lib/extrausers && mount --bind " + w.path("nsswitch.conf") + " /etc/nsswitch.conf")
	t.Cleanup(func() { w.run("umount /var/lib/extrausers /etc/nsswitch.conf") })
	socket := w.path("s/a")
	w.vassal("name.ini", "uid = faraway", "http-socket = "+socket, "chown-socket = faraway:further", "hook-as-root = chown:"+w.path("s")+" faraway further", serves)
	w.vassal("number.ini", "uid = 70001", serves)
	w.vassal("none.ini", "uid = farther", serves)
	e := w.start(allNamespaces)
	for _, name := range []string{"name.ini", "number.ini"} {
		pid := e.running(name)
		if uid, groups := status(t, pid, "Uid"), status(t, pid, "Groups"); uid != "70001 70001 70001 70001" || groups != "70001 70002" {
			t.Errorf("%s runs as %s, groups %s", name, uid, groups)
		}
	}
	if got := w.run("stat -c %u:%g " + socket + " " + w.path("s")); strings.TrimSpace(got) != "70001:70002\n70001:70002" {
		t.Errorf("the socket and its directory belong to %q", got)
	}
	e.await("none.ini", `there is no user \"farther\"`)
	out, _ := w.command("check", w.vassals)
	if strings.Contains(out, "faraway") || !strings.Contains(out, `there is no user "farther"`) {
		t.Errorf("check says\n%s", out)
	}
	if err := os.Chmod(w.path("s"), 0o777); err != nil {
		t.Fatal(err)
	}
}
