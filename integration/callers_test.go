//go:build linux

package integration

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// intruder is the role of root in a vassal, which tries to make the emperor stop b.ini by the
// control socket and by the command socket, and to block other clients. Its arguments are the
// command socket and a file for the answer.
func intruder() error {
	c, err := net.Dial("unix", "/run/emperor/control.sock")
	if err != nil {
		return err
	}
	if _, err := io.WriteString(c, "POST /v1/vassals/b.ini/stop HTTP/1.1\r\nHost: e\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	d, err := net.Dial("unixgram", os.Args[1])
	if err != nil {
		return err
	}
	for range 2 {
		if _, err := d.Write(packet("cmd", "stop", "vassal", "b.ini")); err != nil {
			return err
		}
	}
	var crowd []net.Conn
	for range 300 {
		c, err := net.Dial("unix", "/run/emperor/control.sock")
		if err != nil {
			return err
		}
		crowd = append(crowd, c)
	}
	if err := os.WriteFile(os.Args[2], answer, 0o600); err != nil {
		return err
	}
	time.Sleep(time.Hour) // the connections stay open
	return crowd[0].Close()
}

// Root in a vassal appears to the emperor with the operator's user. It is not answered,
// neither in a user namespace of its own nor without one.
func TestVassalsAreNotAnswered(t *testing.T) {
	for clone, refusal := range map[string]string{
		allNamespaces + ",user=identity": "a process in another user namespace than the emperor's is not answered",
		allNamespaces:                    "a process of a vassal is not answered",
	} {
		t.Run(clone, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			commands, answer := w.path("commands"), w.path("s/answer")
			w.vassal("b.ini", serves)
			e := w.start(clone, "--emperor-command-socket", commands)
			pid := e.running("b.ini")
			w.vassal("a.ini", "env = "+roleEnv+"=intruder", fmt.Sprintf("command = %s %s %s", storyProgram, commands, answer))
			var text []byte
			eventually(t, "the vassal has its answer", func() (done bool) {
				var err error
				text, err = os.ReadFile(answer)
				return err == nil && len(text) > 0
			})
			if !strings.HasPrefix(string(text), "HTTP/1.1 403 ") || !strings.Contains(string(text), refusal) {
				t.Errorf("the vassal is told %s", text)
			}
			if r := e.await("", "control: refused"); r.Error != refusal {
				t.Errorf("the log says %s", r.raw)
			}
			w.succeed("list")
			e.undisturbed("b.ini", pid)
			if n := e.count("", "control: refused"); n > 10 {
				t.Errorf("%d lines about it", n)
			}
			c, err := netDial("unixgram", commands)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write(packet("cmd", "stop", "vassal", "b.ini")); err != nil {
				t.Fatal(err)
			}
			e.await("b.ini", "stopping -> clearing")
			e.stop(syscall.SIGTERM)
		})
	}
}

// A hook of the operator is not a vassal, although the emperor has started it, and is
// answered.
func TestHooksAreAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start(allNamespaces, "--exec-as-emperor", program("emperor")+" list >"+w.path("list"))
	e.running("a.ini")
	if text, err := os.ReadFile(w.path("list")); err != nil || !strings.Contains(string(text), "a.ini") {
		t.Errorf("the hook was told %s, %v", text, err)
	}
}
