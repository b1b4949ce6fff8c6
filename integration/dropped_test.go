//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// An emperor that is started as root and becomes a user runs vassals: in cgroups of their own
// when the service manager has delegated the emperor's cgroup, otherwise without, with one
// warning. No resource remains, also after a kill and the next start.
func TestEmperorBecomesAUser(t *testing.T) {
	t.Parallel()
	for _, delegated := range []bool{true, false} {
		for _, where := range []string{"file", "command line"} {
			t.Run(fmt.Sprintf("delegated: %v, uid in the %s", delegated, where), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				if w.cgroup == "" {
					t.Skip("this host has no cgroup v2 to write to")
				}
				if delegated {
					if err := unix.Setxattr(w.cgroup, "user.delegate", []byte("1"), 0); err != nil {
						t.Skipf("the kernel keeps no marks on cgroups: %v", err)
					}
				}
				// A user cannot execute programs below /root, where the clone may be.
				programs := w.path("programs")
				if err := os.Mkdir(programs, 0o755); err != nil {
					t.Fatal(err)
				}
				w.run("mount --bind " + os.Getenv(binEnv) + " " + programs)
				defer w.run("umount -l " + programs)
				program := filepath.Join(programs, "emperor")
				w.vassal("a.ini", serves)
				identity := []string{"--uid", "4001", "--gid", "4001"}
				if where == "file" {
					w.write("e.ini", ini("uid = 4001", "gid = 4001", "emperor = "+w.vassals, "emperor-log-format = json"))
					identity = []string{"--ini", w.path("e.ini")}
				} else {
					identity = append(identity, "--emperor-log-format", "json", w.vassals)
				}
				const warning = "Delegate=yes in the unit"
				check := func(e *emperor) {
					pid := e.running("a.ini")
					if got := status(t, pid, "Uid"); got != "4001 4001 4001 4001" {
						t.Errorf("the vassal runs as %s", got)
					}
					text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
					if own := strings.Contains(string(text), "/emperor-"); own != delegated {
						t.Errorf("delegated: %v, its cgroups are %s", delegated, text)
					}
					if told := strings.Count(e.tail(), warning); (told == 0) != delegated || told > 1 {
						t.Errorf("delegated: %v, warned %d times", delegated, told)
					}
				}
				w.vassal("same.ini", "uid = 4001", "gid = 4001", serves)
				w.vassal("name.ini", "uid = nobody", serves)
				w.vassal("number.ini", "gid = 65534", serves)
				e := w.launch(w.inside(program, identity...))
				check(e)
				e.running("same.ini")
				for name, want := range map[string]string{"name.ini": ":2: uid: cannot become uid 65534, gid 65534: ", "number.ini": ":2: gid: cannot become uid 4001, gid 65534: "} {
					e.await(name, want+"not running as root but as uid 4001, gid 4001 (remove uid and gid, or start the emperor as root")
					w.remove(name)
					e.gone(name)
				}
				w.succeed("reload", "--all", "--wait") // as root
				_ = syscall.Kill(e.cmd.Process.Pid, syscall.SIGHUP)
				e.await("a.ini", "reloaded")
				_ = e.cmd.Process.Kill()
				e.wait()
				e = w.launch(w.inside(program, identity...))
				check(e)
				e.stop(syscall.SIGTERM)
			})
		}
	}
}
