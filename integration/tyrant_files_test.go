//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tenantsHome gives the user vassal001 a home below /home.
func (w *world) tenantsHome() string {
	w.t.Helper()
	w.run("mount -t tmpfs tmpfs /home && mkdir /home/shop /home/other && chown 4001 /home/shop")
	w.t.Cleanup(func() { w.run("umount /home") })
	w.run("sed 's|^vassal001:x:4001:4001::/:|vassal001:x:4001:4001::/home/shop:|' /etc/passwd >" + w.path("homes") + " && cat " + w.path("homes") + " >/etc/passwd")
	return "/home/shop"
}

// TestTenantsFiles: by default a tenant's vassal has directories for temporary files and devices of its own, sees no processes and
// homes of others, and writes below the home of its owner only; its own file does not change that.
func TestTenantsFiles(t *testing.T) {
	t.Parallel()
	for name, clone := range map[string][]string{
		"root": {allNamespaces}, "user namespace": {"--emperor-use-clone=pid,uts,net,ipc,fs,user", "--emperor-id-range", "1000000:65536"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			home := w.tenantsHome()
			loose := []string{"private-tmp = false", "private-devices = false", "protect-home = false", "protect-proc = default", "protect-system = false"}
			w.tenant("a.ini", 4001, append(loose, "command = sh -c 'echo x >$HOME/mine; exec sleep 1000000'")...)
			e := w.start(append(clone, "--emperor-tyrant", "--emperor-limits", "best-effort", "--state-dir", w.path("state"))...)
			pid := e.running("a.ini")
			eventually(t, "it writes to its home", func() bool { return w.run("stat -c %u "+home+"/mine 2>/dev/null || true") == "4001" })
			for script, want := range map[string]string{
				"touch /tmp/x /var/tmp/x /dev/shm/x && ls /tmp":                     "x",
				"touch /etc/x /srv/x /usr/x 2>&1 | grep -c 'Read-only file'":        "3",
				"touch ~/y " + home + "/y && ls " + home + " | xargs":               "mine y",
				"ls /home/other /root 2>&1 | grep -c 'No such\\|Permission denied'": "2",
				"ls /dev | grep -c '^kmsg$\\|^mem$\\|^vda'":                         "0",
				"grep -o -m 1 'hidepid=invisible' /proc/self/mountinfo":             "hidepid=invisible",
				"head -c 3 /dev/zero | wc -c":                                       "3",
			} {
				out, _ := w.command("enter", "a", "sh", "-c", script)
				if got := strings.TrimSpace(out); got != want {
					t.Errorf("%s: %q, not %q", script, got, want)
				}
			}
			if _, err := os.Stat(fmt.Sprintf("/proc/%d/root%s", pid, filepath.Join(w.base, "v"))); err == nil {
				t.Error("it sees /tmp of the host")
			}
			facts := w.succeed("status", "--security", "a")
			for _, fact := range []string{"temporary files of its own", "a /dev of its own", "processes of other users are hidden", "the system is read-only"} {
				if !strings.Contains(facts, "    -  "+fact) {
					t.Errorf("%q is not among\n%s", fact, facts)
				}
			}
		})
	}
}

// TestTenantsFilesRelaxed: a template of the operator switches the defaults off, and without a mount namespace they are mistakes.
func TestTenantsFilesRelaxed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("template.ini", ini("private-tmp = false", "private-devices = false", "protect-home = false", "protect-proc = default", "protect-system = false"))
	w.tenant("a.ini", 4001, "command = sh -c 'echo x >"+w.path("s/mine")+"; exec sleep 1000000'")
	w.tenant("strict.ini", 4001, "protect-system = strict", serves)
	bare := []string{"--emperor-use-clone=pid,uts,net,ipc", "--emperor-tyrant", "--emperor-limits", "best-effort"}
	e := w.start(append(bare, "--vassals-include", w.path("template.ini"))...)
	e.running("a.ini")
	eventually(t, "it writes a file of the host", func() bool { _, err := os.Stat(w.path("s/mine")); return err == nil })
	e.await("strict.ini", "strict.ini:2: protect-system: the vassal has no mounts of its own (fs in emperor-use-clone)")
}

// TestTenantsFilesNeedMounts: a default that has no mounts to apply to is a mistake, and the vassal does not start without it.
func TestTenantsFilesNeedMounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant("a.ini", 4001, serves)
	w.write("emperor.ini", ini("emperor = "+w.vassals, "emperor-use-clone = pid,uts,net,ipc", "emperor-tyrant = true", "emperor-limits = best-effort"))
	const mistake = "private-devices: the vassal has no mounts of its own (fs in emperor-use-clone)"
	if out, code := w.command("check", w.path("emperor.ini")); code != 1 || !strings.Contains(out, mistake) {
		t.Errorf("emperor check ends with %d:\n%s", code, out)
	}
	e := w.startOver("--emperor-log-format", "json", "--ini", w.path("emperor.ini"))
	e.await("a.ini", "emperor-tyrant: "+mistake)
	if e.count("a.ini", "-> running") > 0 {
		t.Errorf("it runs:\n%s", e.tail())
	}
}

// TestTenantsSeeNoEmperor: a tenant's vassal sees neither the files of other vassals nor the runtime directory of the emperor but for
// the socket for its notifications, and only its own cgroups; a line of the operator shows the directory of vassals.
func TestTenantsSeeNoEmperor(t *testing.T) {
	t.Parallel()
	for name, clone := range map[string][]string{
		"root": {allNamespaces}, "user namespace": {"--emperor-use-clone=pid,uts,net,ipc,fs,user", "--emperor-id-range", "1000000:65536"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.tenant("a.ini", 4001, "notify-ready = true", "command = sh -c 'systemd-notify --ready; exec sleep 1000000'")
			w.tenant("b.ini", 4002, serves)
			args := append(clone, "--emperor-tyrant", "--emperor-limits", "best-effort", "--state-dir", w.path("state"), "--vassal-set", "private-tmp=false")
			see := func(script string) string {
				out, _ := w.command("enter", "b", "sh", "-c", script)
				return strings.TrimSpace(out)
			}
			e := w.start(args...)
			e.running("a.ini")
			pid := e.running("b.ini")
			for script, want := range map[string]string{
				"ls " + w.vassals + " 2>&1 | grep -o 'Permission denied'":       "Permission denied",
				"cat " + w.vassals + "/a.ini 2>&1 | grep -c 'denied\\|No such'": "1",
				"ls /run/emperor 2>&1 | grep -o 'Permission denied'":            "Permission denied",
				"ls /run/emperor/control.sock 2>&1 | grep -o 'No such'":         "No such",
				"ls -d /run/emperor/notify":                                     "/run/emperor/notify",
			} {
				if got := see(script); got != want {
					t.Errorf("%s: %q, not %q", script, got, want)
				}
			}
			theirs, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/cgroup", pid))
			if ours, _ := os.Readlink("/proc/self/ns/cgroup"); theirs == ours || theirs == "" {
				t.Errorf("its cgroup namespace is %q, ours %q", theirs, ours)
			}
			e.stop(syscall.SIGTERM)
			e = w.start(append(args, "--vassal-set", "read-write-paths="+w.vassals)...)
			e.running("b.ini")
			if got := see("ls " + w.vassals); got != "a.ini\nb.ini" {
				t.Errorf("the directory of vassals has %q", got)
			}
		})
	}
}

// TestFilesOfAnotherOwnerAlone: without tyrant mode the owner of a file changes nothing of the view: the directory of the vassals and
// homes are as the lines say.
func TestFilesOfAnotherOwnerAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	home := w.tenantsHome()
	w.tenant("theirs.ini", 4001, "uid = 4001", "gid = 4001", "protect-home = true", serves)
	w.vassal("ours.ini", "uid = 4001", "gid = 4001", "protect-home = true", serves)
	e := w.start(allNamespaces)
	for _, name := range []string{"ours", "theirs"} {
		e.running(name + ".ini")
		out, _ := w.command("enter", name, "sh", "-c", "ls "+w.vassals+" | xargs; touch "+home+"/x 2>/dev/null && echo writes")
		if want := "ours.ini theirs.ini\n"; out != want {
			t.Errorf("%s: %q, not %q", name, out, want)
		}
	}
}
