//go:build linux

package integration

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// socket returns a path of the world, for this process.
func (w *world) socket(path string) string {
	return "/proc/" + strconv.Itoa(w.holder.Process.Pid) + "/root" + path
}

// While the largest number of clients follow events, and many more are silent, an operator's
// questions are answered, and an additional follower gets the reason for its refusal.
func TestFollowersAreCountedApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start()
	e.running("a.ini")
	connect := func(ask string) {
		t.Helper()
		c, err := net.DialTimeout("unix", w.socket("/run/emperor/control.sock"), patience)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if ask == "" {
			return
		}
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: e\r\n\r\n", ask); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 200"))); err != nil {
			t.Fatal(err)
		}
	}
	for range 64 {
		connect("/v1/events?follow")
	}
	for range 300 {
		connect("")
	}
	if out := w.succeed("list"); !strings.Contains(out, "running") {
		t.Errorf("list: %s", out)
	}
	w.succeed("restart", "--wait", "a")
	w.succeed("logs", "a")
	for _, args := range [][]string{{"logs", "-f", "a"}, {"events", "-f"}} {
		if out, code := w.command(args...); code != 1 || out != "emperor: 64 clients follow already: end one of them, or ask without following\n" {
			t.Errorf("%v: code %d, %s", args, code, out)
		}
	}
}

// Commands report a stopped emperor.
func TestStoppedEmperorDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	e := w.start()
	e.running("a.ini")
	e.signal(syscall.SIGSTOP)
	defer e.signal(syscall.SIGCONT)
	said := fmt.Sprintf("emperor: no emperor answers on /run/emperor/control.sock: no answer for 5s (process %d is stopped: kill -CONT %[1]d)", e.pid())
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"list"}, said}, {[]string{"events", "-f"}, said}, {[]string{"stop", "--wait", "a"}, said + "; it may still do it later"},
	} {
		begin := time.Now()
		if out, code := w.command(tt.args...); code != 3 || out != tt.want+"\n" {
			t.Errorf("%v: code %d, %s", tt.args, code, out)
		}
		if took := time.Since(begin); took > patience/2 {
			t.Errorf("%v: it takes %v", tt.args, took)
		}
	}
}
