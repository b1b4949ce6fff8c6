//go:build linux

package integration

import (
	"fmt"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// clientsOfAnotherHost has clients in the network of a process ask an address until the test ends.
func (w *world) clientsOfAnotherHost(pid int, address string) *visitors {
	w.t.Helper()
	cmd := w.inside("nsenter", "-t", fmt.Sprint(pid), "-n", storyProgram, address)
	cmd.Env = append(cmd.Env, roleEnv+"=clients")
	return w.visitedBy(cmd)
}

// A vassal is restarted under load: clients of its published port wait for the next process, from another host
// and from the host itself, and no request fails. The command prints for how long the vassal's own address was
// without service.
func TestRestartUnderLoad(t *testing.T) {
	t.Parallel()
	w, far := networked(t)
	w.vassal("web.ini", "http-socket = :8080", "route-run = send:one", "disable-logging = true", "uid = 4001", "gid = 4001", "network-publish = 8001:8080")
	e := w.start(routedArgs...)
	e.running("web.ini")
	others, own := w.clientsOfAnotherHost(far, "198.18.0.1:8001"), w.visited("198.18.0.1:8001")
	for _, v := range []*visitors{others, own} {
		v.settle()
		v.tally()
	}
	gap := regexp.MustCompile(`^web\.ini: running, generation \d+, config \w+, \d+\.\d\d s without service at 10\.142\.\d+\.\d+\n$`)
	for range 4 {
		if out := w.succeed("restart", "--wait", "web"); !gap.MatchString(out) {
			t.Errorf("restart prints %q", out)
		}
		time.Sleep(1200 * time.Millisecond) // clients that wait come after a second
	}
	w.vassal("web.ini", "http-socket = :8080", "route-run = send:two", "disable-logging = true", "uid = 4002", "gid = 4002", "network-publish = 8001:8080") // a new process
	e.running("web.ini")
	time.Sleep(1200 * time.Millisecond)
	others.served("clients of another host", "one", "two")
	own.served("clients of the host", "one", "two")

	// After a stop nothing waits.
	w.succeed("stop", "--wait", "web")
	others.tally()
	eventually(t, "clients are refused", func() bool { return others.tally().Lost > 10 })
	w.succeed("start", "--wait", "web")
	eventually(t, "they are served again", func() bool { s := others.tally(); return s.Lost == 0 && s.Served > 10 })
	e.stop(syscall.SIGTERM)
}
