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

// tyrant returns the options of an emperor whose vassals run as the owners of their files, and see the files
// of the world as they are. This machine may have no controllers of cgroups.
func (w *world) tyrant(more ...string) []string {
	return append([]string{allNamespaces, "--emperor-tyrant", "--emperor-limits", "best-effort", "--vassal-set", w.visible()}, more...)
}

// visible is the operator's line that shows the files of the world, below /tmp, to vassals of tenants.
func (w *world) visible() string { return "read-write-paths=" + w.base }

// tenant writes the file of a vassal that belongs to a user.
func (w *world) tenant(name string, uid int, options ...string) {
	w.t.Helper()
	w.owned(filepath.Join(w.vassals, name), uid, ini(options...))
}

// owned writes a file of a user atomically.
func (w *world) owned(path string, uid int, text string) {
	w.t.Helper()
	temporary := filepath.Join(filepath.Dir(path), ".owned")
	for _, err := range []error{os.WriteFile(temporary, []byte(text), 0o644), os.Chown(temporary, uid, uid), os.Rename(temporary, path)} {
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// TestTyrant: every process of a tenant's vassal is the owner's, without rights and under the filter; the
// operator's hooks of before the drop are root's, and its template is read as root.
func TestTyrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("secret", "value of root")
	w.run("chmod 600 " + w.path("secret") + "; cp $(command -v id) " + w.path("id") + " && chmod 4755 " + w.path("id") + "; echo 4001 >" + w.path("s/touched"))
	w.write("template.ini", ini("exec-as-root = id -u >"+w.path("s/as-root"), "secret = @("+w.path("secret")+")", "exec-as-root = echo '%(secret)' >"+w.path("s/secret")))
	w.tenant("a.ini", 4001, w.hardened("exec-as-user = "+w.path("id")+" -u >"+w.path("s/id"), "exec-as-user = echo $HOME $USER $LOGNAME `pwd` >"+w.path("s/home"))...)
	e := w.start(w.tyrant("--vassals-include", w.path("template.ini"), "--exec-as-vassal-before-drop", "id -u >"+w.path("s/before"), "--exec-as-vassal", "id -u >"+w.path("s/as-vassal"))...)
	pid := e.running("a.ini")
	for file, want := range map[string]string{"as-root": "0", "secret": "value of root", "before": "0", "as-vassal": "4001", "id": "4001", "home": "/ vassal001 vassal001 /"} {
		if got := strings.TrimSpace(w.shown(file)); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
	w.write("s/touched", "again")
	for _, who := range everyProcess {
		text := ""
		switch who {
		case "enter":
			text = output(t, w.entered("a", "cat", "/proc/self/status", "/proc/self/limits"))
		case "master":
			text = w.run(fmt.Sprintf("cat /proc/%d/status /proc/%[1]d/limits", pid))
		default:
			text = w.shown(who)
		}
		for name, want := range map[string]string{
			"Uid:": "4001 4001 4001 4001", "Gid:": "4001 4001 4001 4001", "Groups:": "4001", "NoNewPrivs:": "1", "Seccomp:": "2",
			"CapInh:": noCapabilities, "CapPrm:": noCapabilities, "CapEff:": noCapabilities, "CapBnd:": noCapabilities, "CapAmb:": noCapabilities,
			"Max core file size": "0 0 bytes", "Max locked memory": "65536 65536 bytes",
		} {
			if got := line(text, name); got != want {
				t.Errorf("%s: %s %q, want %q", who, name, got, want)
			}
		}
	}
	if user := w.succeed("list"); !strings.Contains(user, "vassal001") {
		t.Errorf("the list:\n%s", user)
	}
}

const noCapabilities = "0000000000000000"

// TestTenantOwnsNothingElse: files whose owner, mode, place or name breaks a rule make no vassal, and the
// log names file, owner, rule and remedy; `emperor check` says the same.
func TestTenantOwnsNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant("good.ini", 4001, serves)
	w.tenant("system.ini", 33, serves)
	w.vassal("root.ini", serves)
	w.tenant("open.ini", 4001, serves)
	w.run("chmod 666 " + w.vassals + "/open.ini; cd " + w.vassals + "; ln -s good.ini link.ini; chown -h 4002 link.ini")
	w.write("emperor.ini", ini("emperor = "+w.vassals, "emperor-tyrant = true", "emperor-limits = best-effort", "emperor-use-clone = pid,uts,net,ipc,fs", "vassal-set = "+w.visible()))
	checked, code := w.command("check", w.path("emperor.ini"))
	e := w.startOver("--ini", w.path("emperor.ini"))
	e.running("good.ini")
	for name, want := range map[string]string{
		"system.ini": "belongs to uid 33, below emperor-tyrant-uid-min (1000)",
		"root.ini":   "belongs to uid 0, and emperor-tyrant-root is refuse",
		"open.ini":   "belongs to uid 4001, and others can write to it (mode 0666)",
		"link.ini":   "belongs to uid 4001, and the link " + w.vassals + "/link.ini to uid 4002",
	} {
		if said := e.await(name, want); said.Level != "ERROR" || !strings.Contains(said.raw, w.vassals+"/"+name+": belongs") {
			t.Errorf("%s: it says %s", name, said.raw)
		}
		if !strings.Contains(checked, w.vassals+"/"+name+": "+want) {
			t.Errorf("%s: emperor check says\n%s", name, checked)
		}
		if e.count(name, "-> launching") > 0 {
			t.Errorf("%s is launched:\n%s", name, e.tail())
		}
	}
	if code != 1 || strings.Contains(checked, "good.ini:") || strings.Contains(checked, "emperor's rights") {
		t.Errorf("emperor check ends with %d:\n%s", code, checked)
	}
}

// TestAnotherOwner: with another owner the file is another vassal, which begins when nothing of the first
// one is left; with a refused owner there is none.
func TestAnotherOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant("a.ini", 4001, "command = sh -c 'id -u; exec sleep 1000000'")
	e := w.start(w.tyrant()...)
	e.running("a.ini")
	e.await("a.ini", "4001")
	w.run("chown 4002:4002 " + w.vassals + "/a.ini")
	e.await("a.ini", "its file has another owner, and is another vassal")
	e.gone("a.ini")
	e.await("a.ini", "4002")
	pid := e.running("a.ini")
	if uid := line(w.run(fmt.Sprintf("cat /proc/%d/status", pid)), "Uid:"); uid != "4002 4002 4002 4002" {
		t.Errorf("its ids are %s", uid)
	}
	w.run("chown 0:0 " + w.vassals + "/a.ini")
	e.gone("a.ini")
	e.await("a.ini", "emperor-tyrant-root is refuse")
	if alive(pid) {
		t.Error("the vassal of the owner before still runs")
	}
}

// TestOwnersMost: an owner has emperor-tyrant-max vassals, and another one when one of them is gone.
func TestOwnersMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant("a.ini", 4001, serves)
	w.tenant("b.ini", 4001, serves)
	e := w.start(w.tyrant("--emperor-tyrant-max", "2", "--emperor-stats", "127.0.0.1:3031")...)
	e.running("a.ini")
	e.running("b.ini")
	w.tenant("c.ini", 4001, serves)
	w.tenant("d.ini", 4002, serves)
	e.await("c.ini", "belongs to uid 4001, who has 2 vassals, as many as emperor-tyrant-max permits")
	e.running("d.ini")
	w.remove("a.ini")
	e.running("c.ini")
	if on := w.stats("3031")["emperor_tyrant"]; on != 1.0 {
		t.Errorf("the statistics say emperor_tyrant %v", on)
	}
}

// TestTenantAndOperator: files of root run as they say, beside files of tenants.
func TestTenantAndOperator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("root.ini", "exec-as-root = id -u >"+w.path("s/root"), "uid = 4002", "gid = 4002", "command = sh -c 'id -u; grep NoNewPrivs /proc/self/status; exec sleep 1000000'")
	w.tenant("a.ini", 4001, "command = sh -c 'id -G; exec sleep 1000000'")
	e := w.start(w.tyrant("--emperor-tyrant-root", "operator", "--emperor-tyrant-initgroups")...)
	e.running("root.ini")
	e.running("a.ini")
	e.await("root.ini", "4002")
	e.await("root.ini", "NoNewPrivs:\\t0")
	e.await("a.ini", "4001 4100")
}

// TestTenantsFileIsHostile: no line of a tenant's file makes anything as root, or reads anything of root's.
// What would is refused with file and line; the rest happens as the tenant.
func TestTenantsFileIsHostile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret, artefacts := w.path("secret"), w.path("s")
	w.write("secret", "secret-of-root")
	w.write("secret.ini", ini("env = A=secret-of-root", serves))
	w.run("chmod 600 " + secret + " " + w.path("secret.ini") + "; mkdir -m 755 " + w.path("roots"))
	w.write("template.ini", ini("exec-as-root = env >"+w.path("root-env")+"; test -z \"$LD_PRELOAD\"", "exec-as-root = touch "+w.path("roots/hook")))
	refused := map[string]struct{ line, want string }{
		"as-root":   {"exec-as-root = touch " + artefacts + "/x", "exec-as-root: not permitted in a tenant's own file"},
		"asap":      {"exec-asap = touch " + artefacts + "/x", "exec-asap: not permitted"},
		"write":     {"hook-as-root = write:" + artefacts + "/x text", "hook-as-root: not permitted"},
		"mount":     {"mount-as-root = tmpfs none " + artefacts, "mount-as-root: not permitted"},
		"binsh":     {"binsh = " + artefacts + "/sh", "binsh: not permitted"},
		"dlopen":    {"dlopen = " + artefacts + "/lib.so", "dlopen: not permitted"},
		"plugin":    {"plugin = " + artefacts + "/lib.so", "plugin: not permitted"},
		"uid":       {"uid = 0", "uid: not permitted"},
		"gid":       {"add-gid = 0", "add-gid: not permitted"},
		"pidfile":   {"pidfile = " + artefacts + "/x", "pidfile: not permitted"},
		"log":       {"log = " + artefacts + "/x", "log: not permitted"},
		"shared":    {"shared-socket = " + w.path("roots/socket"), "shared-socket: not permitted"},
		"fallback":  {"fallback-config = " + w.path("secret.ini"), "fallback-config: not permitted"},
		"directory": {"runtime-directory = x", "runtime-directory: not permitted"},
		"ini":       {"ini = " + w.path("secret.ini"), "ini: cannot open"},
		"content":   {"env = A=@(" + secret + ")", "@(" + secret + "): cannot open"},
	}
	for name, c := range refused {
		w.tenant(name+".ini", 4001, c.line, "command = sh -c 'echo it runs; exec sleep 1000000'")
	}
	w.tenant("exec.ini", 4002, "env = WHO=@(exec://id -u)", "command = sh -c 'echo WHO=$WHO; exec sleep 1000000'")
	w.tenant("preload.ini", 4002, "env = LD_PRELOAD="+artefacts+"/evil.so", serves)
	w.tenant("demand.ini", 4002, serves)
	w.run("ln -s /etc/shadow " + w.vassals + "/demand.ini.socket; chown -h 4002 " + w.vassals + "/demand.ini.socket")
	e := w.start(w.tyrant("--emperor-on-demand-extension", ".socket", "--vassals-include", w.path("template.ini"))...)
	e.running("preload.ini")
	e.running("exec.ini")
	e.await("exec.ini", "WHO=4002")
	e.await("demand.ini", "is a symbolic link, and none is followed")
	for name, c := range refused {
		file := w.vassals + "/" + name + ".ini:2: "
		if said := e.await(name+".ini", c.want); !strings.Contains(said.raw, file) {
			t.Errorf("%s: it says %s", name, said.raw)
		}
		if e.count(name+".ini", "it runs") > 0 {
			t.Errorf("%s runs:\n%s", name, e.tail())
		}
	}
	if found := w.run("find " + artefacts + " " + w.path("roots") + " ! -path " + artefacts + " ! -name hook ! -name roots"); found != "" {
		t.Errorf("there are %s", found)
	}
	if text := w.run("cat " + w.path("root-env")); strings.Contains(text, "evil.so") {
		t.Errorf("the hook of root has the environment %s", text)
	}
	if n := e.count("", "secret-of-root") + e.count("ini.ini", "secret-of-root") + e.count("content.ini", "secret-of-root"); n > 0 {
		t.Errorf("a secret of root is in the log:\n%s", e.tail())
	}
}

// TestTenantsEnvironment: the variables of the emperor that a tenant's file names are not the tenant's, and
// the hooks of the operator that run as the tenant do not show them.
func TestTenantsEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("template.ini", ini("exec-as-root = echo $(TOKEN) >"+w.path("token")))
	w.tenant("a.ini", 4001, "env = STOLEN=$(TOKEN)", "command = sh -c 'echo \"stolen: $STOLEN\"; exec sleep 1000000'", "unenv = LANG")
	e := w.startIn([]string{"TOKEN=of-the-emperor"}, w.tyrant("--vassals-include", w.path("template.ini"), "--exec-as-vassal", "env >"+w.path("s/env"))...)
	e.running("a.ini")
	e.await("a.ini", "stolen: $(TOKEN)")
	if text := w.run("cat " + w.path("token")); text != "of-the-emperor" {
		t.Errorf("the hook of the operator has the token %q", text)
	}
	if text := w.shown("env"); strings.Contains(text, "of-the-emperor") {
		t.Errorf("a hook as the tenant has the environment %s", text)
	}
}

// TestTenantInUserNamespace: with a range of ids a tenant's vassal runs as its owner, and the root of its
// hooks is no user of the host.
func TestTenantInUserNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("template.ini", ini("exec-as-root = id -u; cat /etc/shadow || true"))
	w.tenant("a.ini", 4001, "command = sh -c 'id -u; cat /proc/self/uid_map; exec sleep 1000000'")
	e := w.start("--emperor-use-clone=pid,uts,net,ipc,fs,user", "--emperor-tyrant", "--emperor-limits", "best-effort", "--emperor-id-range", "1000000:65536",
		"--state-dir", w.path("state"), "--vassal-set", w.visible(), "--vassals-include", w.path("template.ini"))
	pid := e.running("a.ini")
	e.await("a.ini", "4001")
	e.await("a.ini", "Permission denied")
	if uid := line(w.run(fmt.Sprintf("cat /proc/%d/status", pid)), "Uid:"); uid != "4001 4001 4001 4001" {
		t.Errorf("its ids on the host are %s", uid)
	}
	if text := w.run(fmt.Sprintf("cat /proc/%d/uid_map", pid)); strings.HasPrefix(strings.TrimSpace(text), "0          0") {
		t.Errorf("its map is %s", text)
	}
}

// TestTyrantStays: without a restart tyrant mode cannot be switched off, and a new file is read as before.
func TestTyrantStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("template.ini", ini("env = A=1"))
	file := func(more string) string {
		return ini("emperor = "+w.vassals, "emperor-use-clone = pid,uts,net,ipc,fs", "emperor-limits = best-effort", "vassal-set = "+w.visible(), more)
	}
	w.write("emperor.ini", file("emperor-tyrant = true"))
	w.tenant("a.ini", 4001, serves)
	e := w.startOver("--emperor-log-format", "json", "--ini", w.path("emperor.ini"))
	e.running("a.ini")
	w.write("emperor.ini", file("vassals-include = "+w.path("template.ini")))
	e.signal(syscall.SIGHUP)
	e.await("", "changed options of the emperor need a restart")
	e.await("", "changed options of the emperor are in effect")
	w.tenant("b.ini", 4001, "exec-as-root = touch "+w.path("s/x"), serves)
	w.tenant("c.ini", 4001, "command = sh -c 'id -u; exec sleep 1000000'")
	e.await("b.ini", "exec-as-root: not permitted in a tenant's own file")
	e.running("c.ini")
	e.await("c.ini", "4001")
}

// TestTenantsDirectories: a template's directory of one vassal does not become another tenant's.
func TestTenantsDirectories(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("template.ini", ini("runtime-directory = shared"))
	w.tenant("a.ini", 4001, "command = sh -c 'touch $RUNTIME_DIRECTORY/x; echo in $RUNTIME_DIRECTORY; exec sleep 1000000'")
	e := w.start(w.tyrant("--vassals-include", w.path("template.ini"))...)
	e.running("a.ini")
	e.await("a.ini", "in /run/shared")
	w.tenant("b.ini", 4002, serves)
	e.await("b.ini", "/run/shared\\\" belongs to uid 4001, and the vassal to uid 4002")
	if owner := w.run("stat -c %u /run/shared /run/shared/x"); owner != "4001\n4001" {
		t.Errorf("its owner is %s", owner)
	}
}
