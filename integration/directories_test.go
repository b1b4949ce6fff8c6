//go:build linux

package integration

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// A vassal gets its directories as under systemd: made for its user before all hooks, with their modes and
// variables. Runtime directories end with each process, and with an emperor that is killed.
func TestDirectories(t *testing.T) {
	t.Parallel()
	for _, where := range []string{allNamespaces, "--emperor-use-clone=uts"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.run("for dir in lib cache log; do mount -t tmpfs none /var/$dir; done; mkdir /run/there")
			defer w.run("rmdir /run/there; umount /var/lib /var/cache /var/log")
			said := w.path("s/said")
			file := []string{
				"uid = 4001", "gid = 4100", "runtime-directory = one two", "runtime-directory = there", "runtime-directory-mode = 700",
				"state-directory = one", "cache-directory = one", "cache-directory-mode = 750", "logs-directory = one",
				"exec-asap = echo asap $STATE_DIRECTORY >" + said,
				`command = sh -c 'touch $LOGS_DIRECTORY/a /run/one/a; echo $RUNTIME_DIRECTORY $STATE_DIRECTORY $CACHE_DIRECTORY $LOGS_DIRECTORY; exec sleep 1000000'`,
			}
			w.vassal("a.ini", file...)
			e := w.start(where)
			pid := e.running("a.ini")
			e.await("a.ini", "/run/one:/run/two:/run/there /var/lib/one /var/cache/one /var/log/one")
			if got := strings.Join(lines(said), ""); got != "asap /var/lib/one" {
				t.Errorf("the first hook finds %q", got)
			}
			const modes = "stat -c '%a %u %g %n' /run/one /run/two /run/there /var/lib/one /var/cache/one /var/log/one"
			if got := w.run(modes); got != "700 4001 4100 /run/one\n700 4001 4100 /run/two\n700 4001 4100 /run/there\n755 4001 4100 /var/lib/one\n750 4001 4100 /var/cache/one\n755 4001 4100 /var/log/one" {
				t.Errorf("they are\n%s", got)
			}
			w.run("touch /run/one/left /run/there/left")
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			e.running("a.ini")
			w.run("test ! -e /run/one/left -a -e /run/there/left -a -e /var/log/one/a")
			w.succeed("stop", "--wait", "a.ini")
			w.run("test ! -e /run/one -a ! -e /run/two -a -e /run/there/left -a -e /var/lib/one")

			w.succeed("start", "--wait", "a.ini")
			w.run("test -d /run/one")
			e.signal(syscall.SIGKILL)
			e.wait()
			w.remove("a.ini")
			w.vassal("b.ini", serves)
			e = w.start(where)
			e.running("b.ini")
			w.run("test ! -e /run/one -a ! -e /run/two")

			// A link is not followed, and its target stays as it is.
			w.run("ln -s /etc /var/lib/two")
			w.vassal("c.ini", "uid = 4001", "gid = 4001", "state-directory = two", serves)
			e.await("c.ini", "state-directory: cannot use directory")
			if info, err := os.Stat("/etc"); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
				t.Errorf("the owner of the target: %v", err)
			}

			// A fallback has the directories of the configuration that has failed.
			w.write("safe.ini", ini("uid = 4001", "gid = 4001", "runtime-directory = three", "command = sh -c 'echo falls back to $RUNTIME_DIRECTORY; exec sleep 1000000'"))
			w.vassal("d.ini", "uid = 4001", "gid = 4001", "runtime-directory = three", "exec-as-user = exit 9", "fallback-config = "+w.path("safe.ini"), serves)
			e.await("d.ini", "falls back to /run/three")
			w.remove("d.ini")
			e.gone("d.ini")
			w.run("test ! -e /run/three")
			e.stop(syscall.SIGTERM)
			w.run("rm /run/there/left")
		})
	}
}
