//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unit is the environment of an emperor that systemd has started, and a secret.
var unit = []string{
	"AWS_SECRET_ACCESS_KEY=hunter2", "INVOCATION_ID=0123456789abcdef", "JOURNAL_STREAM=8:12345", "CREDENTIALS_DIRECTORY=/run/credentials/emperor.service",
	"HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "TZ=Europe/Rome", "LC_TIME=it_IT.UTF-8", "SITE_NAME=shop", "SITE_PORT=8080",
	"UWSGI_VASSAL_PROCNAME_APPEND=of the environment",
}

// startIn starts an emperor with more in its environment.
func (w *world) startIn(environ []string, args ...string) *emperor {
	w.t.Helper()
	return w.launch(w.withEnviron(environ, args...))
}

func (w *world) withEnviron(environ []string, args ...string) *exec.Cmd {
	cmd := w.inside(program("emperor"), append(append([]string{"--emperor-log-format", "json"}, args...), w.vassals)...)
	cmd.Env = append(cmd.Env, environ...)
	return cmd
}

// environOf returns the environment that a process was started with, as a set.
func environOf(pid int) map[string]string {
	found := map[string]string{}
	for _, line := range lines(fmt.Sprintf("/proc/%d/environ", pid)) {
		for v := range strings.SplitSeq(line, "\x00") {
			if key, value, ok := strings.Cut(v, "="); ok {
				found[key] = value
			}
		}
	}
	return found
}

// printsEnviron is a vassal that prints its environment.
const printsEnviron = `command = sh -c 'echo "home=$HOME user=$USER login=$LOGNAME tz=$TZ time=$LC_TIME secret=$AWS_SECRET_ACCESS_KEY id=$INVOCATION_ID$JOURNAL_STREAM$CREDENTIALS_DIRECTORY site=$SITE_NAME stage=$STAGE"; exec sleep 1000000'`

// TestEnvironmentIsHeldBack: a vassal has the needed part of the emperor's environment, and
// its file is read with all of it.
func TestEnvironmentIsHeldBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("include.ini", ini("env = FROM_INCLUDE=$(SITE_PORT)"))
	w.write("fallback.ini", ini("exec-as-user = echo fallback $(SITE_PORT)", serves))
	w.write("e.ini", ini("env = STAGE=test", "env = STAGE2=$(SITE_NAME)", "env = LATER=x", "unenv = LATER"))
	w.vassal("a.ini", printsEnviron, "uid = 4001", "exec-as-root = echo root home=$HOME stage=$STAGE2 later=$LATER.",
		"exec-as-user = echo read $(AWS_SECRET_ACCESS_KEY) $(HOME) $(STAGE)", `exec-as-user = echo told "$SITE_PORT"`)
	w.vassal("number.ini", printsEnviron, "uid = 4321", "gid = 4321")
	w.vassal("root.ini", printsEnviron, "uid = root")
	w.vassal("own.ini", printsEnviron, "uid = 4001", "env = HOME=/srv", "unenv = USER")
	w.vassal("include.ini", "uid = 4001", "include = ../include.ini", "command = sh -c 'echo included $FROM_INCLUDE; exec sleep 1000000'")
	w.vassal("fallback.ini", "uid = 4001", "exec-as-user = false", "fallback-config = "+w.path("fallback.ini"))
	e := w.startIn(unit, allNamespaces, "--ini", w.path("e.ini"), "--exec-as-emperor", "echo emperor $AWS_SECRET_ACCESS_KEY", "--exec-as-vassal", "echo inside $AWS_SECRET_ACCESS_KEY $STAGE")
	const common = " tz=Europe/Rome time=it_IT.UTF-8 secret= id= site= stage=test"
	for name, want := range map[string]string{
		"a.ini": "home=/ user=vassal001 login=vassal001" + common, "number.ini": "home=/ user=4321 login=4321" + common,
		"root.ini": "home=/root user=root login=root" + common, "own.ini": "home=/srv user= login=vassal001" + common,
		"include.ini": "included 8080", "fallback.ini": "fallback 8080",
	} {
		e.await(name, want)
	}
	for _, want := range []string{"root home= stage=shop later=.", "read hunter2 /root test", "emperor hunter2", "inside hunter2 test"} {
		e.await("a.ini", want)
	}
	if said := e.await("a.ini", "vassals do not get SITE_PORT of the emperor's environment (pass-environment = SITE_PORT"); said.Level != "WARN" || !strings.Contains(said.raw, "a.ini:6: exec-as-user") {
		t.Errorf("it says %s", said.raw)
	}
	e.await("a.ini", "$(AWS_SECRET_ACCESS_KEY) is expanded here, but programs of the vassal do not get it (pass-environment = AWS_SECRET_ACCESS_KEY")
	held := e.await("", "vassals do not get these variables of the emperor: ")
	for name, told := range map[string]bool{"AWS_SECRET_ACCESS_KEY": true, "SITE_NAME, SITE_PORT": true, "INVOCATION_ID": false, "HOME": false, "STAGE": false, "hunter2": false} {
		if strings.Contains(held.raw, name) != told {
			t.Errorf("what is held back: %s: %s", name, held.raw)
		}
	}

	// No process of the vassal has the secret in its environment, from the first moment on;
	// the option with the secret takes effect.
	pid := e.running("a.ini")
	vars := environOf(pid)
	for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "INVOCATION_ID", "JOURNAL_STREAM", "CREDENTIALS_DIRECTORY", "HOME", "SHELL", "SITE_NAME"} {
		if _, there := vars[name]; there {
			t.Errorf("the vassal has %s", name)
		}
	}
	if line := strings.Join(lines(fmt.Sprintf("/proc/%d/cmdline", pid)), ""); !strings.Contains(line, "of the environment") {
		t.Errorf("the vassal is called %q", line)
	}

	// A reload reads with the same environment, and changes nothing; the warning is not
	// repeated.
	w.succeed("reload", "--wait", "a")
	e.await("a.ini", "home=/ user=vassal001 login=vassal001"+common)
	w.vassal("a.ini", printsEnviron, "uid = 4001", "exec-as-user-atexit = echo atexit $(HOME) $HOME", "exec-pre-app = echo another")
	e.await("a.ini", "another")
	w.succeed("stop", "--wait", "a")
	e.await("a.ini", "atexit /root /")
	if n := e.count("a.ini", "vassals do not get SITE_PORT"); n != 1 {
		t.Errorf("it is told %d times", n)
	}
}

// TestEnvironmentIsPassedOn: the variables that the operator names, or all.
func TestEnvironmentIsPassedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", printsEnviron, "uid = 4001", "exec-as-user = echo pids $NOTIFY_SOCKET.$LISTEN_FDS.")
	e := w.startIn(unit, allNamespaces, "--pass-environment", "HOME AWS_*", "--pass-environment", "SITE_NAME")
	e.await("a.ini", "home=/root user=vassal001 login=vassal001 tz=Europe/Rome time=it_IT.UTF-8 secret=hunter2 id= site=shop stage=")
	e.end()
	e = w.startIn(append(unit, "NOTIFY_SOCKET=/no/such/socket", "LISTEN_FDS=1"), allNamespaces, "--pass-environment", "*")
	e.await("a.ini", "home=/root user=root login=root tz=Europe/Rome time=it_IT.UTF-8 secret=hunter2 id=0123456789abcdef8:12345/run/credentials/emperor.service site=shop stage=")
	if e.count("", "vassals do not get") > 0 {
		t.Errorf("the log:\n%s", e.tail())
	}
}

// TestEnvironmentOfTheOwnFile: the emperor's file is read again with the environment of its
// start, and a change of its environment options needs a restart.
func TestEnvironmentOfTheOwnFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "command = sh -c 'echo stage=$STAGE site=$SITE_NAME; exec sleep 1000000'", "uid = 4001")
	own := []string{"env = SITE_NAME=changed", "env = STAGE=$(SITE_NAME)"}
	w.write("e.ini", ini(own...))
	e := w.startIn(unit, "--ini", w.path("e.ini"))
	e.await("a.ini", "stage=shop site=changed")
	e.running("a.ini")
	hup := func() { _ = syscall.Kill(e.cmd.Process.Pid, syscall.SIGHUP) }
	hup()
	e.await("a.ini", "stage=shop site=changed") // the worker of the reload
	w.write("e.ini", ini(append(own, "env = STAGE=other", "pass-environment = SITE_PORT", "log-level = debug")...))
	hup()
	e.await("", `need a restart","options":"env, pass-environment"`)
	e.await("", `are in effect","options":"log-level"`)
	w.succeed("restart", "a")
	e.await("a.ini", "launching -> starting")
	e.await("a.ini", "stage=shop site=changed")
	if n := strings.Count(e.tail(), "need a restart"); n != 1 || strings.Count(e.tail(), "vassals do not get these variables") != 1 {
		t.Errorf("the log:\n%s", e.tail())
	}
}

// TestEnvironmentOfOthers: a real uWSGI in the place of a vassal gets the variables that its
// file names.
func TestEnvironmentOfOthers(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "master = true", "socket = 127.0.0.1:0", "uid = 4001", "gid = 4001", "if-env = SITE_PORT", "exec-as-user = echo port $(SITE_PORT)", "endif =",
		"exec-as-user = echo read $(SITE_NAME) had $SITE_NAME not $AWS_SECRET_ACCESS_KEY. stage $(STAGE)")
	e := w.startIn(unit, allNamespaces, "--emperor-wrapper", uwsgi, "--env", "STAGE=test")
	e.await("a.ini", "port 8080")
	e.await("a.ini", "read shop had shop not . stage test")
	e.running("a.ini")
}

// TestKeyring: a key that root has put into the emperor's session keyring is not found in a
// vassal, unless the vassal inherits the keyring.
func TestKeyring(t *testing.T) {
	t.Parallel()
	const search = "import ctypes\nprint('keys:%%d' %% (ctypes.CDLL(None).syscall(%d, %d, %d, b'user', b'%s', 0) > 0), flush=True)\n"
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "keys:0"},
		{[]string{"--keyring-mode", "private"}, "keys:0"},
		{[]string{"--keyring-mode", "inherit"}, "keys:1"},
	} {
		t.Run(c.want+fmt.Sprint(c.args), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write("s/search.py", fmt.Sprintf(search, unix.SYS_KEYCTL, unix.KEYCTL_SEARCH, unix.KEY_SPEC_SESSION_KEYRING, storyKey))
			w.vassal("a.ini", "command = sh -c 'python3 "+w.path("s/search.py")+"; exec sleep 1000000'", "uid = 4001", "gid = 4001")
			cmd := w.inside(storyProgram, slices.Concat([]string{program("emperor"), "--emperor-log-format", "json", allNamespaces}, c.args, []string{w.vassals})...)
			cmd.Env = append(cmd.Env, roleEnv+"=keyed")
			e := w.launch(cmd)
			e.await("a.ini", c.want)
			e.running("a.ini")
		})
	}
}

// TestKeyringThatCannotBe: when the system call is not permitted, a requested private keyring
// is an error, and a missing default one is a warning.
func TestKeyringThatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves, "uid = 4001")
	forbidden := func(args ...string) *exec.Cmd {
		cmd := w.inside(storyProgram, append(append([]string{program("emperor"), "--emperor-log-format", "json"}, args...), w.vassals)...)
		cmd.Env = append(cmd.Env, roleEnv+"=keyless")
		return cmd
	}
	e := w.launch(forbidden(allNamespaces))
	e.await("", "vassals inherit the session keyring of the emperor")
	e.running("a.ini")
	e.end()
	e = w.launch(forbidden(allNamespaces, "--keyring-mode", "private"))
	<-e.ended
	if !strings.Contains(e.tail(), "keyring-mode: cannot make a session keyring: keyctl: operation not permitted (keyring-mode = inherit)") {
		t.Errorf("the log:\n%s", e.tail())
	}
}

// storyKey is the name of a key.
const storyKey = "story:secret"

// keyed is the role of a program that has a key in its session keyring, and executes the
// program in its arguments.
func keyed() error {
	runtime.LockOSThread()
	if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil {
		return err
	}
	if _, err := unix.AddKey("user", storyKey, []byte("hunter2"), unix.KEY_SPEC_SESSION_KEYRING); err != nil {
		return err
	}
	return unix.Exec(os.Args[1], os.Args[1:], os.Environ())
}

// keyless is the role of a program that may not use keyrings, as in many containers, and
// executes the program in its arguments.
func keyless() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number of the system call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_KEYCTL, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return err
	}
	return unix.Exec(os.Args[1], os.Args[1:], os.Environ())
}
