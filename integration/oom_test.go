//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// score returns the value by which the OOM killer chooses.
func score(pid int) string {
	return strings.Join(lines(fmt.Sprintf("/proc/%d/oom_score_adj", pid)), "")
}

// scored starts the world's emperor with an oom_score_adj, as OOMScoreAdjust= of its unit
// would, and more before it.
func (w *world) scored(score, more string, args ...string) *emperor {
	w.t.Helper()
	script := "echo " + score + " >/proc/self/oom_score_adj && exec " + more + ` "$@"`
	args = append([]string{"-c", script, "sh", program("emperor"), "--emperor-log-format", "json"}, args...)
	return w.launch(w.inside("sh", append(args, w.vassals)...))
}

const (
	tellsScore = `printf 'WHO has '; cat /proc/self/oom_score_adj`
	// lowersScore tries to lower it, and prints the result.
	lowersScore = `if echo -900 >/proc/self/oom_score_adj; then echo WHO could; else echo WHO could not; fi 2>/dev/null`
)

// The OOM killer kills the emperor last: its vassals, its hooks and their children have the
// value that the emperor was started with, and cannot lower it.
func TestEmperorIsSpared(t *testing.T) {
	t.Parallel()
	if err := exec.Command("sh", "-c", "echo -1 >/proc/self/oom_score_adj").Run(); err != nil {
		t.Skipf("needs CAP_SYS_RESOURCE: %v", err)
	}
	for _, given := range []string{"0", "300", "-400"} {
		t.Run(given, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			who := func(name, script string) string { return strings.ReplaceAll(script, "WHO", name) }
			w.vassal("a.ini", "exec-as-root = "+who("as-root", tellsScore), "uid = 4001", "gid = 4001",
				"exec-as-user = "+who("user", tellsScore)+"; "+who("user", lowersScore), serves)
			w.write("v/b.ini", "#!/bin/sh\nprintf '[uwsgi]\\nexec-as-root = echo printed with %s\\n"+serves+"\\n' $(cat /proc/self/oom_score_adj)\n")
			w.run("chmod 755 " + w.path("v/b.ini"))
			e := w.scored(given, "", allNamespaces, "--emperor-magic-exec", "--exec-as-emperor-before-vassal",
				`sh -c "`+who("nested", tellsScore)+`"; `+who("hook", tellsScore), "--exec-as-vassal", who("as-vassal", tellsScore))
			pid := e.running("a.ini")
			if got := score(e.pid()); got != "-900" {
				t.Errorf("the emperor has %s", got)
			}
			if got := score(pid); got != given {
				t.Errorf("the vassal has %s, want %s", got, given)
			}
			for _, child := range append(children(pid), pid) {
				if got := score(child); got != given {
					t.Errorf("process %d of the vassal has %s, want %s", child, got, given)
				}
			}
			for _, name := range []string{"hook", "nested", "as-vassal", "as-root", "user"} {
				e.await("a.ini", name+" has "+given)
			}
			e.await("a.ini", "user could not")
			e.await("b.ini", "printed with "+given)
			e.stop(syscall.SIGTERM)
		})
	}
}

// The same holds when the emperor has dropped its user, and for processes that a hook leaves
// behind as fast as it can. Its vassals, which have its user, may lower their own value.
func TestEmperorThatDroppedItsUserIsSpared(t *testing.T) {
	t.Parallel()
	if err := exec.Command("sh", "-c", "echo -1 >/proc/self/oom_score_adj").Run(); err != nil {
		t.Skipf("needs CAP_SYS_RESOURCE: %v", err)
	}
	for _, given := range []string{"0", "-400"} {
		t.Run(given, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			programs := w.path("programs") // a user cannot execute programs below /root
			if err := os.Mkdir(programs, 0o755); err != nil {
				t.Fatal(err)
			}
			w.run("mount --bind " + os.Getenv(binEnv) + " " + programs)
			defer w.run("umount -l " + programs)
			left := w.path("s/left")
			w.vassal("a.ini", serves)
			script := "echo " + given + ` >/proc/self/oom_score_adj && exec "$@"`
			e := w.launch(w.inside("sh", "-c", script, "sh", programs+"/emperor", "--emperor-log-format", "json", "--uid", "4001", "--gid", "4001",
				"--hook-pre-jail", "exec:"+strings.ReplaceAll(tellsScore, "WHO", "root"),
				"--exec-as-emperor", "for i in 1 2 3 4; do (setsid cat /proc/self/oom_score_adj >>"+left+" & exit); done", w.vassals))
			pid := e.running("a.ini")
			if got := score(e.pid()); got != "-900" {
				t.Errorf("the emperor has %s", got)
			}
			for _, child := range append(children(pid), pid) {
				if got := score(child); got != given {
					t.Errorf("process %d of the vassal has %s, want %s", child, got, given)
				}
			}
			e.await("", "root has "+given)
			eventually(t, "the hook has left all processes", func() bool { return len(lines(left)) == 4 })
			if got := strings.Join(lines(left), " "); got != strings.TrimSpace(strings.Repeat(given+" ", 4)) {
				t.Errorf("what a hook left behind has %s, want %s", got, given)
			}
			e.stop(syscall.SIGTERM)
		})
	}
}

// An emperor that may not lower its value leaves it unchanged for all.
func TestEmperorThatCannotBeSpared(t *testing.T) {
	t.Parallel()
	for given, more := range map[string]string{
		"100":  "setpriv --bounding-set -sys_resource --inh-caps -sys_resource",
		"1000": "unshare --user --map-root-user",
	} {
		t.Run(given, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", serves)
			e := w.scored(given, more, "--exec-as-emperor", strings.ReplaceAll(tellsScore, "WHO", "hook"))
			pid := e.running("a.ini")
			if own, its := score(e.pid()), score(pid); own != given || its != given {
				t.Errorf("the emperor has %s and the vassal %s, want %s", own, its, given)
			}
			e.await("a.ini", "hook has "+given)
			e.stop(syscall.SIGTERM)
		})
	}
}
