//go:build linux

package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// told is a vassal in the output of `emperor status --json`.
type told struct {
	State, Config, Address, Exit string
	Generation                   int
	Links                        []struct {
		Name, Kind, Host string
		Up               bool
		Addresses        []string
	}
	Exits []struct {
		Text     string
		OOMKills int `json:"oom_kills"`
	}
	Hooks    []struct{ Phase, Result string }
	Lines    []struct{ Text string }
	OOMKills *int `json:"oom_kills"`
}

func (w *world) everything(name string) (s told) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.succeed("status", "--json", name)), &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// starved makes a cgroup with little memory, of v1 or v2, and returns the file through which
// processes enter it.
func (w *world) starved() string {
	w.t.Helper()
	limits := map[string]string{"/sys/fs/cgroup/memory": "memory.limit_in_bytes"}
	if w.cgroup != "" {
		limits[filepath.Dir(w.cgroup)] = "memory.max"
	}
	for at, limit := range limits {
		dir := filepath.Join(at, "story-memory-"+w.tag)
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		w.t.Cleanup(func() { _ = os.Remove(dir) })
		if _, err := os.Stat(filepath.Join(dir, limit)); err == nil && os.WriteFile(filepath.Join(dir, limit), []byte("48M"), 0) == nil {
			return filepath.Join(dir, "cgroup.procs")
		}
	}
	w.t.Skip("no cgroup here counts memory")
	return ""
}

// The outputs name the vassal in which the OOM killer has killed a process.
func TestOperatorSeesWantOfMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	procs := w.starved()
	// The process is the first one, or another one.
	w.vassal("a.ini", "privileged-binary-patch-arg = tail /dev/zero")
	e := w.start(allNamespaces, "--exec-as-emperor", "echo $UWSGI_VASSAL_PID >"+procs, "--metrics", "127.0.0.1:7004")
	e.await("a.ini", "-> backoff")
	s := w.everything("a")
	if len(s.Exits) == 0 || s.Exits[0].OOMKills != 1 || s.Exits[0].Text != "exit status 137 (out of memory: the kernel killed 1 of its processes)" {
		t.Errorf("the exits of a.ini: %+v", s.Exits)
	}
	if a := w.list()["a.ini"]; !strings.Contains(a.Error, "out of memory") {
		t.Errorf("the list says %+v", a)
	}
	if text := w.run("curl -sS --max-time 10 http://127.0.0.1:7004/metrics"); !strings.Contains(text, "\nemperor_vassal_exits_total{cause=\"memory\"} ") ||
		strings.Contains(text, "\nemperor_vassal_exits_total{cause=\"memory\"} 0") {
		t.Error("the metrics do not count it")
	}
	w.remove("a.ini")
	e.gone("a.ini")
	w.vassal("b.ini", "command = sh -c 'tail /dev/zero; echo it is gone; exec sleep 1000000'")
	e.await("b.ini", "it is gone")
	eventually(t, "b.ini lives, and the status tells", func() bool {
		s := w.everything("b")
		return s.State == "running" && s.Generation == 1 && s.OOMKills != nil && *s.OOMKills >= 1
	})
	if out := w.succeed("status", "b"); !strings.Contains(out, "out of memory  ") {
		t.Errorf("the status says\n%s", out)
	}
}

// Status shows the state outside and inside, messages, past events and waits.
func TestStatusTellsEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("web.ini", "exec-as-root = ip addr add 10.9.0.2/24 dev eth0", "exec-as-root = ip link set eth0 up", "command = sh -c 'echo from inside; exec sleep 1000000'")
	w.vassal("door.ini", serves)
	w.write("v/door.ini.socket", w.path("s/door"))
	e := w.start(allNamespaces, "--emperor-on-demand-extension", ".socket",
		"--exec-as-emperor", "ip link add host0 type veth peer name eth0 netns $UWSGI_VASSAL_PID", "--exec-as-emperor", "ip link set host0 up")
	e.running("web.ini")
	e.await("door.ini", "-> waiting")
	s := w.everything("web")
	names := []string{}
	for _, l := range s.Links {
		names = append(names, l.Name)
		if l.Name == "eth0" && (l.Host != "host0" || l.Kind != "veth" || !l.Up || !slices.Contains(l.Addresses, "10.9.0.2/24")) {
			t.Errorf("eth0 is %+v", l)
		}
	}
	if !slices.Equal(names, []string{"lo", "eth0"}) && !slices.Equal(names, []string{"eth0", "lo"}) {
		t.Errorf("the links are %v", names)
	}
	var text string
	for _, want := range []string{
		"\nlink             eth0 to host0 of the host, 10.9.0.2/24", "\ngeneration       1, 0 restarts", "\nconfig           " + s.Config,
		"\nnamespace        net:[", "\nhook             ", "as-root #2 (exec: ip link set eth0 up)", " from inside\n",
	} {
		eventually(t, "the status says "+want, func() bool {
			text = w.succeed("status", "web")
			return strings.Contains(text, want)
		})
	}
	if w.cgroup != "" && !strings.Contains(text, "\ncgroup           "+w.cgroup+"/") {
		t.Errorf("the status does not say where its cgroup is:\n%s", text)
	}
	w.succeed("kill", "--signal", "KILL", "web")
	e.await("web.ini", "starting -> running")
	e.await("web.ini", "starting -> running")
	if s := w.everything("web"); len(s.Exits) != 1 || s.Exits[0].Text != "signal: killed" || s.Generation != 2 {
		t.Errorf("after the kill: %+v", s)
	}
	if text := w.succeed("status", "door"); !strings.Contains(text, "\nstate            waiting for ") || !strings.Contains(text, "\naddress          "+w.path("s/door")) {
		t.Errorf("of the one on demand:\n%s", text)
	}
}

// While the command of a vassal dies repeatedly, all outputs show that, until it recovers.
func TestOperatorSeesWorkersDie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "command = sh -c 'exit 7'")
	e := w.start(allNamespaces, "--metrics", "127.0.0.1:7004")
	e.running("a.ini")
	eventually(t, "the list says that workers die", func() bool {
		a := w.list()["a.ini"]
		return a.State == "running" && strings.HasPrefix(a.Error, "its workers die, ") && strings.Contains(a.Error, " in a row, the last: exit status 7")
	})
	if text := w.succeed("status", "a"); !strings.Contains(text, "\nerror            its workers die, ") {
		t.Errorf("the status says\n%s", text)
	}
	if text := w.succeed("events", "a"); !strings.Contains(text, "a worker died: exit status 7; the next one in ") {
		t.Errorf("the events are\n%s", text)
	}
	if text := w.run("curl -sS --max-time 10 http://127.0.0.1:7004/metrics"); !strings.Contains(text, "\nemperor_vassal_worker_deaths_total{vassal=\"a.ini\"} ") ||
		strings.Contains(text, "\nemperor_vassal_worker_deaths_total{vassal=\"a.ini\"} 0") {
		t.Error("the metrics do not count them")
	}
	w.vassal("a.ini", "command = sleep 1000000")
	e.await("a.ini", "the workers have recovered")
	eventually(t, "the list has no error", func() bool { return w.list()["a.ini"].Error == "" })
}

// While the emperor stops, it reports the reason of the delay and accepts no more changes.
func TestStoppingEmperorAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	w.vassal("b.ini", serves)
	e := w.start(allNamespaces, "--reload-mercy", "60", "--exec-as-emperor-after-vassal", "test $UWSGI_VASSAL_NAME = b.ini || sleep 300")
	pid := e.running("a.ini")
	e.running("b.ini")
	e.signal(syscall.SIGTERM)
	e.gone("b.ini")
	e.await("a.ini", "-> clearing")
	eventually(t, "list shows what holds up the end", func() bool {
		vassals := w.list()
		return vassals["a.ini"].State == "clearing" && len(vassals) == 1
	})
	if out, code := w.command("list"); code != 0 || !strings.Contains(out, "waits for hook as-emperor-after-vassal #1") {
		t.Errorf("list: %d, %s", code, out)
	}
	if out, code := w.command("status", "a.ini"); code != 0 || !strings.Contains(out, "clearing") {
		t.Errorf("status: %d, %s", code, out)
	}
	for _, verb := range [][]string{{"restart", "a.ini"}, {"stop", "a.ini"}, {"reload", "--all"}, {"rescan"}, {"kill", "a.ini", "--signal", "HUP"}} {
		if out, code := w.command(verb...); code != 1 || !strings.Contains(out, "the emperor is stopping") {
			t.Errorf("%s: exit status %d, %s", verb[0], code, out)
		}
	}
	w.succeed("events", "a.ini")
	w.succeed("reopen-logs")
	time.Sleep(time.Second / 4) // a second signal immediately reports the same
	e.signal(syscall.SIGTERM)
	if code := e.wait(); code != 0 || alive(pid) {
		t.Errorf("exit code %d", code)
	}
	if out, code := w.command("list"); code != 3 {
		t.Errorf("after the end: exit status %d, %s", code, out)
	}
}
