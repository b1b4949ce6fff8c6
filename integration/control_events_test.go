//go:build linux

package integration

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// event is a line of `emperor events --json`.
type event struct {
	Vassal, What, From, To, Text string
	Generation                   int
}

// watcher is an operator who follows events.
type watcher struct {
	mu     sync.Mutex
	events []event
}

// watch runs `emperor events --follow --json` until the end of the test.
func (e *emperor) watch(args ...string) *watcher {
	e.t.Helper()
	eventually(e.t, "the emperor has begun", func() bool { return e.count("", "is watching") > 0 })
	cmd := e.inside(program("emperor"), append([]string{"events", "--follow", "--json"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	x, read := &watcher{}, make(chan struct{})
	go func() { defer close(read); x.read(out) }()
	e.t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); <-read; _ = cmd.Wait() })
	return x
}

func (x *watcher) read(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) == nil {
			x.mu.Lock()
			x.events = append(x.events, e)
			x.mu.Unlock()
		}
	}
}

// sees waits for an event whose text contains all of the words.
func (x *watcher) sees(t *testing.T, vassal, what string, words ...string) {
	t.Helper()
	eventually(t, vassal+" "+what+" "+strings.Join(words, " "), func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		for _, e := range x.events {
			has := e.Vassal == vassal && e.What == what
			for _, word := range words {
				has = has && strings.Contains(e.From+" -> "+e.To+" "+e.Text, word)
			}
			if has {
				return true
			}
		}
		return false
	})
}

// The events show messages of vassals, not only their states.
func TestEventsTellWhatVassalsNotice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("safe.ini", ini(serves))
	e := w.start(allNamespaces, "--exec-as-emperor", "test $UWSGI_VASSAL_NAME != refused.ini")
	x := e.watch()
	w.vassal("a.ini", "exec-as-root = exit 9", "fallback-config = "+w.path("safe.ini"), serves)
	x.sees(t, "a.ini", "hook", "as-emperor #1", "ok")
	x.sees(t, "a.ini", "hook", "as-root #1", "exit 9", "exit status 9")
	x.sees(t, "a.ini", "fallback", w.path("safe.ini"), "exit status 9")
	x.sees(t, "a.ini", "state", "starting -> running")

	w.vassal("b.ini", `privileged-binary-patch-arg = sh -c 'systemd-notify "STATUS=all is well"; exec sleep 1000000'`)
	x.sees(t, "b.ini", "status", "all is well")
	w.vassal("c.ini", serves)
	x.sees(t, "c.ini", "state", "starting -> running")
	w.vassal("c.ini", "strict = 1", "no-such-option = 1", serves)
	x.sees(t, "c.ini", "config", "it cannot be used", "no-such-option")
	w.vassal("c.ini", "command = /no/such/program")
	x.sees(t, "c.ini", "reload", "changed options: command")
	x.sees(t, "c.ini", "state", "reloading -> running", "cannot reload", "/no/such/program")
	w.vassal("c.ini", "chdir = /", serves)
	x.sees(t, "c.ini", "reload", "changed options: chdir")
	w.vassal("c.ini", "uid = 4001", "gid = 4001", serves)
	x.sees(t, "c.ini", "reload", "a new process", "uid")
	x.sees(t, "c.ini", "state", "launching -> starting")

	w.vassal("refused.ini", "exec-as-root = false", serves)
	x.sees(t, "refused.ini", "hook", "as-emperor #1", "exit status 1")
	x.sees(t, "refused.ini", "backoff", "next launch in")
	w.succeed("kill", "--signal", "HUP", "c")
	x.sees(t, "c.ini", "operator", "kill --signal SIGHUP")
	w.succeed("stop", "--wait", "c")
	x.sees(t, "c.ini", "operator", "stop")

	w.remove("refused.ini")
	e.gone("refused.ini")
	for _, name := range []string{"refused", "refused.ini"} {
		if out := w.succeed("events", name); !strings.Contains(out, "refused.ini: hook: as-emperor #1") || strings.Contains(out, "a.ini") {
			t.Errorf("events %s, which is gone:\n%s", name, out)
		}
	}
}
