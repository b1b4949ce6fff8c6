//go:build linux

package integration

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// hostUser returns the user of a process of the host.
func hostUser(t *testing.T, pid int) int {
	t.Helper()
	info, err := os.Stat("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}

// With private-ids no id of a vassal is one of the host, and binds show the files of its user as its own, in both directions. Files of root
// do not become root's, and a file system that cannot do it is named.
func TestPrivateIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(fmt.Sprintf("mkdir %[1]s && cd %[1]s && mkdir -m 700 data && mkdir at ro empty && echo mine >data/file && echo roots >data/roots && chmod 600 data/* && chown -R 4001:4001 data && chown 0:0 data/roots", filesAt))
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "private-ids = true", "runtime-directory = private-%n", "bind-paths = "+filesAt+"/data:"+filesAt+"/at", "bind-read-only-paths = "+filesAt+"/data:"+filesAt+"/ro:idmap",
		"exec-as-root = cd "+filesAt+"/at; (cp /bin/true setuid; cat roots) 2>/dev/null && echo broken; echo tried",
		"command = sh -c 'cd "+filesAt+"/at && stat -c %%u:%%g file roots ../ro/file $RUNTIME_DIRECTORY | xargs; cat file; echo new >new; id -u; exec sleep 1000000'")
	w.vassal("sys.ini", "uid = 4001", "gid = 4001", "private-ids = true", "bind-paths = /sys/kernel:"+filesAt+"/empty", serves)
	w.vassal("root.ini", "uid = root", "gid = root", "private-ids = true", "bind-paths = "+filesAt+"/data:"+filesAt+"/at", serves)
	w.vassal("plain.ini", "uid = 4001", "gid = 4001", "bind-paths = "+filesAt+"/data:"+filesAt+"/at:rbind,idmap", serves)
	e := w.start(w.ranged()...)
	e.running("a.ini")
	a := w.attached("a")
	for _, text := range []string{"tried", "4001:4001 65534:65534 4001:4001 4001:4001", "mine", `"msg":"4001"`} {
		e.await("a.ini", text)
	}
	if about := e.about("a.ini"); strings.Contains(about, "broken") {
		t.Error(about)
	}
	first := idRange(t, a)
	if got := hostUser(t, a); got != first+4001 {
		t.Errorf("on the host its user is %d, not %d", got, first+4001)
	}
	eventually(t, "a new file belongs to the user on disk", func() bool { return w.run("stat -c %u:%g "+filesAt+"/data/new 2>&1 || true") == "4001:4001" })
	if got := w.run("ls " + filesAt + "/data | xargs; stat -c %u:%g /run/private-a"); got != fmt.Sprintf("file new roots\n%[1]d:%[1]d", first+4001) {
		t.Errorf("on the host: %s", got)
	}
	if out := w.succeed("enter", "a", "sh", "-c", "id -u; cat "+filesAt+"/at/file"); out != "4001\nmine\n" {
		t.Errorf("enter: %q", out)
	}
	e.await("sys.ini", "sys.ini:5: bind-paths: /sys/kernel on "+filesAt+"/empty: the file system sysfs at /sys cannot show files with other owners")
	e.await("root.ini", "private-ids: files of root have no other owner in binds")
	e.await("plain.ini", "plain.ini:4: bind-paths: idmap: files of the vassal's user belong to it already (private-ids = true)")
	e.stop(syscall.SIGTERM)
	e = w.start(allNamespaces)
	e.await("a.ini", "a.ini:4: private-ids: vassals have no ranges of ids (user in emperor-use-clone, and emperor-id-range = 1000000:65536)")
	e.stop(syscall.SIGTERM)
	w.run("rm -r " + filesAt)
}

// A tenant with private ids has its home, whose files are its own on disk as well.
func TestPrivateIDsOfTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	home := w.tenantsHome()
	w.run("chmod 700 " + home)
	w.tenant("a.ini", 4001, "command = sh -c 'stat -c %%u $HOME; echo x >$HOME/mine; exec sleep 1000000'")
	w.tenant("b.ini", 4001, "private-ids = false", serves)
	e := w.start(append(w.ranged("--vassal-set", "private-ids=true"), "--emperor-tyrant", "--emperor-limits", "best-effort")...)
	pid := e.running("a.ini")
	e.await("a.ini", `"msg":"4001"`)
	eventually(t, "it writes to its home", func() bool { return w.run("stat -c %u "+home+"/mine 2>/dev/null || true") == "4001" })
	if got, first := hostUser(t, pid), idRange(t, pid); got != first+4001 {
		t.Errorf("on the host its user is %d", got)
	}
	e.await("b.ini", "b.ini:2: private-ids: ")
	e.stop(syscall.SIGTERM)
}
