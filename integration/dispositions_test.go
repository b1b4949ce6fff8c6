//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// hardened executes the program in its arguments with every possible signal ignored, and all
// signals of a terminal blocked: a script, a daemon or nohup may leave this state.
const hardened = `
import os, signal, sys
for s in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try: signal.signal(s, signal.SIG_IGN)
    except OSError: pass
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGPIPE, signal.SIGUSR1})
os.execv(sys.argv[1], sys.argv[1:])`

// noting writes the signals of its process into a file, or, without one, as the answer of a
// CGI program. It is not a shell, because some shells unblock all signals.
const noting = `#!/usr/bin/awk -f
BEGIN {
    file = ARGC > 1 ? ARGV[1] : "/dev/stdout"
    while ((getline line <"/proc/self/status") > 0)
        if (line ~ /^Sig(Blk|Ign):/) print (ARGC > 1 ? line : "X-" line) >file
    print "" >file
    close(file)
    if (ARGC > 2) "sleep 1000" | getline
}
`

// Programs start with default actions for all signals, and none blocked, whatever state the
// emperor inherited: a program that ignores SIGINT cannot be interrupted, and a shell cannot
// change that.
func TestProgramsFindDefaultSignals(t *testing.T) {
	t.Parallel()
	for name, clone := range map[string]string{"namespaces": allNamespaces, "none": "--emperor-use-clone=uts"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.write("note", noting)
			w.run("chmod 755 " + w.path("note"))
			notes := func(name string) string { return w.path("note") + " " + w.path("s/"+name) }
			user := []string{"uid = 4001", "gid = 4001"}
			w.vassal("a.ini", append(user, "hook-as-root = execv:"+notes("as-root"), "hook-as-user = execv:"+notes("as-user"),
				"hook-post-fork = execv:"+notes("post-fork"), "attach-daemon = "+notes("daemon")+" stays",
				"command = "+notes("worker")+" stays", "pty-socket = "+w.path("s/tty"))...)
			w.vassal("b.ini", append(user, "ready-probe = exec:"+notes("probe"), "unprivileged-binary-patch-arg = "+notes("patch")+" stays")...)
			w.vassal("c.ini", append(user, "http-socket = "+w.path("s/web"), "cgi = /="+w.path("note"))...)
			w.vassal("d.ini", append(user, "fallback-config = "+w.path("fallback.ini"), "hook-pre-app = exit:1", serves)...)
			w.write("fallback.ini", ini(append(user, "hook-as-user = execv:"+notes("fallback"), serves)...))
			emperor := []string{
				program("emperor"), "--emperor-log-format", "json", clone, "--hook-emperor-start", "execv:" + notes("emperor-start"),
				"--hook-as-emperor", "execv:" + notes("as-emperor"), "--hook-as-vassal", "execv:" + notes("as-vassal"),
				"--hook-as-emperor-setns", "uts execv:" + notes("setns"), w.vassals,
			}
			e := w.launch(w.inside("python3", append([]string{"-c", hardened}, emperor...)...))
			for _, vassal := range []string{"a.ini", "b.ini", "c.ini", "d.ini"} {
				e.running(vassal)
			}
			for _, name := range []string{"emperor-start", "as-emperor", "setns", "as-vassal", "as-root", "as-user", "post-fork", "daemon", "worker", "probe", "patch", "fallback"} {
				var text []byte
				eventually(t, name+" has noted its signals", func() bool {
					text, _ = os.ReadFile(w.path("s/" + name))
					return strings.HasSuffix(string(text), "\n\n")
				})
				if want := "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n\n"; string(text) != want {
					t.Errorf("%s finds\n%s", name, text)
				}
			}
			out := w.run("curl -sSi --unix-socket " + filepath.Join(w.path("s"), "web") + " http://c/")
			if strings.Count(strings.ToLower(out), "x-sig") != 2 || strings.Count(out, "0000000000000000") != 2 {
				t.Errorf("a program of CGI finds\n%s", out)
			}
			for _, how := range []string{"a.ini", "--root"} {
				args := []string{"-c", hardened, program("emperor"), "enter", how, "cat", "/proc/self/status"}
				if how == "--root" {
					args = slices.Insert(args, 5, "a.ini")
				}
				if out := output(t, w.inside("python3", args...)); !strings.Contains(out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n") {
					t.Errorf("a program that enters finds\n%s", out)
				}
			}
			e.signal(syscall.SIGINT)
			e.wait()
		})
	}
}
