//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// onDemandVassal returns the common options of the vassals in these stories.
func onDemandVassal(w *world, more ...string) []string {
	return append([]string{"protocol = http", "static-map = /=" + w.path("www")}, more...)
}

// TestOnDemand finds addresses in uWSGI's three ways. The first connection starts the vassal
// and is served; the socket survives a crash and an idle end.
func TestOnDemand(t *testing.T) {
	for name, clone := range map[string][]string{"plain": nil, "namespaces": {allNamespaces}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if err := os.Mkdir(w.path("www"), 0o755); err != nil {
				t.Fatal(err)
			}
			w.write("www/index.html", "served")
			w.script(w.path("address"), "test \"$1\" = exec.ini && echo "+w.path("s/exec")+" || true")
			curl := map[string]string{
				"four.ini": "http://127.0.0.1:8090/",
				"six.ini":  "http://[::1]:8091/",
				"file.ini": "--unix-socket " + w.path("s/file") + " http://vassal/",
				"exec.ini": "--unix-socket " + w.path("s/exec") + " http://vassal/",
			}
			for vassal, address := range map[string]string{"four": "127.0.0.1:8090", "six": "[::1]:8091", "file": w.path("s/file")} {
				w.write(filepath.Join(w.vassals, vassal+".ini.at"), address+"\n")
			}
			for vassal := range curl {
				w.vassal(vassal, onDemandVassal(w, "idle = 1", "die-on-idle = true")...)
			}
			e := w.start(append(clone, "--emperor-on-demand-extension", ".at", "--emperor-on-demand-exec", w.path("address"),
				"--emperor-on-demand-mode", "660")...)
			var group sync.WaitGroup
			for vassal, url := range curl {
				group.Go(func() {
					e.await(vassal, "on demand") // its socket is bound
					for range 2 {
						e.await(vassal, "-> waiting")
						if got := w.run("curl -sg " + url); got != "served" {
							t.Errorf("%s: %q", vassal, got)
						}
						e.running(vassal)
						e.await(vassal, "wants to stop") // idle
					}
				})
			}
			group.Wait()
			if t.Failed() {
				return
			}
			if info, err := os.Stat(w.path("s/file")); err != nil || info.Mode().Perm() != 0o660 {
				t.Errorf("the mode of the socket is %v, %v", info.Mode(), err)
			}
			e.await("file.ini", "-> waiting")
			w.run("curl -sg " + curl["file.ini"])
			pid := e.running("file.ini")
			before, err := os.Stat(w.path("s/file"))
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			e.await("file.ini", "-> backoff") // no process is left that could accept a connection and die
			// No process accepts for a while, and no connection is refused.
			if got := w.run("curl -sg " + curl["file.ini"]); got != "served" {
				t.Errorf("after the crash: %q", got)
			}
			if after, err := os.Stat(w.path("s/file")); err != nil || !os.SameFile(before, after) {
				t.Errorf("the crash cost the socket: %v", err)
			}
			for vassal := range curl {
				w.remove(vassal)
				e.gone(vassal)
			}
			for _, socket := range []string{"s/file", "s/exec"} {
				eventually(t, "a vassal that is gone leaves no socket: "+socket, func() bool {
					_, err := os.Lstat(w.path(socket))
					return err != nil
				})
			}
		})
	}
}

// A cleaner removes the socket of an on-demand vassal, while it waits and while it runs. Clients
// find a new one.
func TestOnDemandSocketIsRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, dir := range []string{"www", "s"} {
		if err := os.MkdirAll(w.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.write("www/index.html", "served")
	w.vassal("a.ini", onDemandVassal(w)...)
	e := w.start(allNamespaces, "--emperor-on-demand-directory", w.path("s"), "--emperor-on-demand-mode", "660")
	e.await("a.ini", "on demand")
	request := "curl -sg --unix-socket " + w.path("s/a.socket") + " http://vassal/"
	for _, state := range []string{"waiting", "running"} {
		w.run("rm " + w.path("s/a.socket"))
		e.await("a.ini", "its socket was removed")
		eventually(t, "there is another one", func() bool {
			info, err := os.Stat(w.path("s/a.socket"))
			return err == nil && info.Mode().Perm() == 0o660
		})
		if got := w.run(request); got != "served" {
			t.Errorf("after its removal while %s: %q", state, got)
		}
		e.running("a.ini")
	}
	e.stop(syscall.SIGTERM)
	if _, err := os.Lstat(w.path("s/a.socket")); err == nil {
		t.Error("the socket is left")
	}
}

// TestOnDemandHooksAndRefusal reports the wait, and changes during it, to hooks, and refuses a
// configuration that binds the socket itself.
func TestOnDemandHooksAndRefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.Mkdir(w.path("www"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.write("www/index.html", "served")
	said := func() string { return strings.Join(lines(w.path("said")), ",") }
	w.vassal("a.ini", onDemandVassal(w)...)
	e := w.start("--emperor-on-demand-directory", w.path("s"),
		"--exec-as-on-demand-vassal", "echo waits $UWSGI_VASSAL_NAME >>"+w.path("said"),
		"--exec-as-on-config-vassal", "echo changed $UWSGI_VASSAL_NAME >>"+w.path("said"))
	eventually(t, "the hook of the wait", func() bool { return said() == "waits a.ini" })
	w.vassal("a.ini", onDemandVassal(w, "http-socket = "+w.path("s/a.socket"))...)
	e.await("a.ini", "its configuration binds the same address")
	w.vassal("a.ini", onDemandVassal(w, "umask = 022")...)
	eventually(t, "the hook of the change", func() bool { return strings.HasSuffix(said(), "changed a.ini") })
	if got := visit(t, w.path("s/a.socket"), "/"); got != "served" {
		t.Errorf("answer: %q", got)
	}
	e.running("a.ini")
	if got := strings.Count(said(), "waits"); got != 1 {
		t.Errorf("it was told %d times that it waits: %s", got, said())
	}
}

// TestOnDemandSocketsOfOthers sets the owner and mode of the sockets from the operator's
// options or uWSGI's, and binds abstract ones, too.
func TestOnDemandSocketsOfOthers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"as uWSGI":           {nil, "666 root:root"},
		"mode":               {[]string{"--emperor-on-demand-mode", "0600"}, "600 root:root"},
		"owner":              {[]string{"--emperor-on-demand-owner", "vassal001"}, "666 vassal001:root"},
		"owner and group":    {[]string{"--emperor-on-demand-owner", "vassal001:friends", "--emperor-on-demand-mode", "660"}, "660 vassal001:friends"},
		"by number":          {[]string{"--emperor-on-demand-owner", "4001:4100"}, "666 vassal001:friends"},
		"nobody knows owner": {[]string{"--emperor-on-demand-owner", "nobodyatall"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.run("mkdir " + w.path("www") + " && echo served >" + w.path("www/index.html"))
			w.vassal("a.ini", onDemandVassal(w)...)
			w.vassal("abstract.ini", onDemandVassal(w)...)
			w.write(filepath.Join(w.vassals, "abstract.ini.at"), "@"+w.tag)
			e := w.start(append(tt.args, allNamespaces, "--emperor-on-demand-directory", w.path("s"), "--emperor-on-demand-extension", ".at")...)
			if tt.want == "" {
				if code := e.wait(); code != 1 {
					t.Errorf("exit code %d", code)
				}
				e.await("", "emperor-on-demand-owner: ")
				return
			}
			e.await("a.ini", "on demand")
			if got := w.run("stat -c '%a %U:%G' " + w.path("s/a.socket")); got != tt.want {
				t.Errorf("the socket is %s, want %s", got, tt.want)
			}
			e.await("abstract.ini", "on demand")
			if got := w.run("curl -sS --abstract-unix-socket " + w.tag + " http://vassal/"); got != "served" {
				t.Errorf("the abstract socket answers %q", got)
			}
			e.stop(syscall.SIGTERM)
			if got := w.run("ls " + w.path("s")); got != "" {
				t.Errorf("left %s", got)
			}
		})
	}
}

// TestOnDemandAddressInOtherWords refuses configurations that bind the address that starts
// them, in any spelling, and none that binds another.
func TestOnDemandAddressInOtherWords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("www") + " && echo served >" + w.path("www/index.html") + " && ln -s " + w.path("s") + " " + w.path("link"))
	for name, tt := range map[string]struct{ at, binds string }{
		"any":      {"127.0.0.1:7001", ":7001"},
		"zero":     {"127.0.0.1:7002", "0.0.0.0:7002"},
		"all":      {":7003", "127.0.0.1:7003"},
		"six":      {"[::1]:7004", "[::]:7004"},
		"long":     {"[::1]:7005", "[0:0:0:0:0:0:0:1]:7005"},
		"linked":   {w.path("s/linked"), w.path("link/linked")},
		"relative": {w.path("v/relative.sock"), "relative.sock"},
		"abstract": {"@" + w.tag, "@" + w.tag},
		"port":     {"127.0.0.1:7006", "127.0.0.1:7007"},
		"family":   {"0.0.0.0:7008", "[::1]:7008"},
		"path":     {"@" + w.path("s/path"), w.path("s/path")},
	} {
		w.write(filepath.Join(w.vassals, name+".ini.at"), tt.at)
		w.vassal(name+".ini", onDemandVassal(w, "http-socket = "+tt.binds)...)
	}
	e := w.start("--emperor-on-demand-extension", ".at")
	for _, name := range []string{"any", "zero", "all", "six", "long", "linked", "relative", "abstract"} {
		e.await(name+".ini", "its configuration binds the same address (remove it there: the vassal gets this socket)")
	}
	for name, curl := range map[string][2]string{
		"port":   {"http://127.0.0.1:7006/", "http://127.0.0.1:7007/"},
		"family": {"http://127.0.0.1:7008/", "-g http://[::1]:7008/"},
		"path":   {"--abstract-unix-socket " + w.path("s/path") + " http://v/", "--unix-socket " + w.path("s/path") + " http://v/"},
	} {
		e.await(name+".ini", "on demand")
		for _, c := range curl {
			if got := w.run("curl -sS " + c); got != "served" {
				t.Errorf("%s: %s answers %q", name, c, got)
			}
		}
	}
	e.stop(syscall.SIGTERM)
}

// TestOnDemandThatNeverAccepts delays a vassal that exits each time without having served the
// waiting client.
func TestOnDemandThatNeverAccepts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.script(w.path("leaver"), `exec python3 -c 'import os; os.write(int(os.environ["UWSGI_EMPEROR_FD"]), b"\5\26")'`)
	w.vassal("a.ini", "x = y")
	e := w.start("--emperor-wrapper", w.path("leaver"), "--emperor-on-demand-directory", w.path("s"), "--emperor-backoff", "30")
	e.await("a.ini", "on demand")
	c, err := netDial("unix", w.path("s/a.socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	e.await("a.ini", "exited immediately after activation; backing off")
	e.await("a.ini", "-> backoff")
	if n := e.count("a.ini", "launching -> starting"); n != 1 {
		t.Errorf("it was launched %d times", n)
	}
	e.stop(syscall.SIGTERM)
}

// The fallback uses the emperor's socket, too: the waiting client is served by the
// configuration that starts in the end, and so is the next client after an idle time.
func TestOnDemandFallback(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dir("www", "index.html")
	w.write("safe.ini", ini(onDemandVassal(w, "idle = 1", "die-on-idle = true")...))
	w.vassal("a.ini", onDemandVassal(w, "exec-as-user = false", "fallback-config = "+w.path("safe.ini"))...)
	w.vassal("b.ini", onDemandVassal(w, "uid = nobody-here", "fallback-config = "+w.path("safe.ini"))...)
	e := w.start(allNamespaces, "--emperor-on-demand-directory", w.path("s"))
	for _, name := range []string{"a", "b"} {
		e.await(name+".ini", "on demand") // its socket is bound
		for range 2 {
			e.await(name+".ini", "-> waiting")
			if got := visit(t, w.path("s/"+name+".socket"), "/index.html"); got != "a page" {
				t.Errorf("%s: %q", name, got)
			}
			e.await(name+".ini", "runs on its fallback")
			e.await(name+".ini", "wants to stop")
		}
	}
}

// A command without connections is idle: without die-on-idle its workers end, until a client
// connects.
func TestIdleWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	socket := w.path("s/web")
	w.vassal("a.ini", asRole("web", "http-socket = "+socket, "idle = 1", "processes = 2")...)
	e := w.start(allNamespaces)
	pid := e.running("a.ini")
	for range 2 {
		workerOf(t, socket)
		e.await("a.ini", "stopping the workers until the first connection")
		eventually(t, "no worker is left", func() bool { return len(workersOf(pid)) == 0 })
	}
	workerOf(t, socket)
	if n := e.count("a.ini", "-> running"); n != 1 {
		t.Errorf("the vassal ran %d times", n)
	}
}
