//go:build linux

package integration

import (
	"strings"
	"syscall"
	"testing"
)

// A profile in the form of OCI is in effect beside the default filter. Mistakes in it have its lines, also in emperor check, and a tenant can
// give none.
func TestSystemCallProfile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good, bad, theirs := w.path("good.json"), w.path("bad.json"), w.path("theirs.json")
	profile := `{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"], "syscalls": [
	{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
	{"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 1, "value": 12, "op": "SCMP_CMP_EQ"}]}
]}
`
	w.write(good, profile)
	w.write(bad, strings.Replace(profile, "mkdirat", "mkdri", 1))
	w.write(theirs, profile)
	w.run("chown 4001 " + theirs)
	tries := "command = sh -c 'mkdir $0; kill -12 $$ || echo refused; kill -0 $$ && echo permitted; unshare -u true; grep Seccomp /proc/self/status; exec sleep 1000000' " + w.path("s/new")
	w.vassal("a.ini", "uid = 4001", "gid = 4001", "system-call-filter = default "+good, tries)
	w.vassal("bad.ini", "uid = 4001", "gid = 4001", "system-call-filter = "+bad, serves)
	w.vassal("theirs.ini", "uid = 4001", "gid = 4001", "system-call-filter = "+theirs, serves)
	w.vassal("none.ini", "uid = 4001", "gid = 4001", "system-call-filter = /nonexistent/p.json", serves)
	w.write("more.inc", "[uwsgi]\nsystem-call-filter = "+good+"\n")
	w.vassal("more.ini", "uid = 4001", "gid = 4001", "ini = "+w.path("more.inc"), serves)
	e := w.start(allNamespaces)
	e.running("a.ini")
	for _, text := range []string{"No space left on device", `"msg":"refused"`, `"msg":"permitted"`, "unshare failed: Operation not permitted", `Seccomp_filters:\t2`} {
		e.await("a.ini", text)
	}
	e.await("bad.ini", bad+`:2: names: unknown system call \"mkdri\" (did you mean mkdir`)
	e.await("theirs.ini", "theirs.ini:4: system-call-filter: "+theirs+" belongs to uid 4001 (chown root)")
	e.await("none.ini", "none.ini:4: system-call-filter: open /nonexistent/p.json: no such file or directory")
	e.await("more.ini", "more.inc:2: system-call-filter: the emperor has not read the profile")
	if out, code := w.command("check", w.vassals+"/bad.ini"); code == 0 || !strings.Contains(out, bad+":2: names: unknown system call") {
		t.Errorf("check: %d\n%s", code, out)
	}
	// The filter of a process cannot be exchanged: after a change of the profile a touch of the file makes a new one.
	w.write(good, strings.Replace(profile, `"errnoRet": 28`, `"errnoRet": 30`, 1))
	w.run("touch " + w.vassals + "/a.ini")
	e.await("a.ini", "its profile of system calls has changed: a new process is needed")
	e.await("a.ini", "Read-only file system")
	e.await("a.ini", `"starting -> running","vassal":"a.ini","generation":2`)
	w.write(good, profile)
	w.succeed("reload", "--all")
	e.await("a.ini", "its profile of system calls has changed: a new process is needed")
	e.await("a.ini", `"starting -> running","vassal":"a.ini","generation":3`)
	w.write(good, strings.Replace(profile, `"errnoRet": 28`, `"errnoRet": 30`, 1))
	w.succeed("reload", "--wait", "a")
	e.await("a.ini", "its profile of system calls has changed: a new process is needed")
	e.await("a.ini", `"starting -> running","vassal":"a.ini","generation":4`)
	w.write(good, "{")
	if out, code := w.command("reload", "--wait", "a"); code == 0 || !strings.Contains(out, good+":") {
		t.Errorf("reload with a broken profile: %d\n%s", code, out)
	}
	w.write(good, profile)
	w.succeed("reload", "--wait", "a")
	e.stop(syscall.SIGTERM)
	w.run("rm -f " + w.vassals + "/*")
	w.tenant("t.ini", 4001, "command = sh -c 'mkdir $HOME/x; grep Seccomp_filters /proc/self/status; exec sleep 1000000'")
	w.tenant("u.ini", 4001, "system-call-filter = "+good, serves)
	e = w.start(w.tyrant("--vassal-set", "system-call-filter=default "+good)...)
	e.await("t.ini", "No space left on device")
	e.await("t.ini", `Seccomp_filters:\t3`) // the last one is of the tenant's own text
	e.await("u.ini", "u.ini:2: system-call-filter: a profile belongs to the operator (default, @GROUP or NAME)")
	e.stop(syscall.SIGTERM)
}
