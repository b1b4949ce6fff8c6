//go:build linux

package integration

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// An ordinary user runs an emperor with user namespaces: root in a vassal is that user, with a network and a view of the file
// system of its own, and no right over the host.
func TestRootless(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(fmt.Sprintf("mkdir -p %[1]s/home /run/user/4001 && chown 4001:4001 %[1]s/home /run/user/4001 && chmod 700 /run/user/4001", filesAt))
	w.vassal("a.ini", "hook-as-root = hostname:%n", "private-tmp = true", "private-devices = true", "protect-system = strict", "protect-proc = invisible",
		"read-write-paths = "+filesAt+"/home", "inaccessible-paths = /etc/passwd-", "no-new-privileges = true", "system-call-filter = default",
		"command = sh -c 'id -u; uname -n; ls /sys/class/net | xargs; cat /etc/shadow; touch /etc/x; touch "+filesAt+"/home/mine /tmp/mine && ls /tmp; exec sleep 1000000'")
	e := w.launch(w.asUser("--emperor-use-clone=pid,uts,net,ipc,fs,user", "--runtime-dir=/run/user/4001/emperor", w.vassals))
	pid := e.running("a.ini")
	for _, text := range []string{`"0"`, `"a"`, `"lo"`, "/etc/shadow: Permission denied", "'/etc/x': Read-only file system", `"mine"`} {
		e.await("a.ini", text)
	}
	if uid := line(w.run(fmt.Sprintf("cat /proc/%d/status", pid)), "Uid:"); uid != "4001 4001 4001 4001" {
		t.Errorf("its ids on the host are %s", uid)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(fmt.Sprintf("/proc/%d/root%s/home/mine", pid, filesAt), &st); err != nil || st.Uid != 4001 {
		t.Errorf("its file belongs to %d: %v", st.Uid, err)
	}
	if _, err := os.Stat("/tmp/mine"); err == nil {
		t.Error("its temporary file is the host's")
	}
	enter := w.inside("setpriv", "--reuid=4001", "--regid=4001", "--clear-groups", "env", "EMPEROR_RUNTIME_DIR=/run/user/4001/emperor", w.path("bin/emperor"), "enter", "a", "sh", "-c", "id -u; cat /tmp/mine && touch /tmp/entered && ls /tmp | xargs")
	if out := output(t, enter); !strings.Contains(out, "0\nentered mine") {
		t.Errorf("entered: %q", out)
	}
	e.stop(syscall.SIGTERM)
	w.run("rm -rf " + filesAt + " /run/user")
}
