//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hookRun is a hook in the output of status --json.
type hookRun struct {
	Phase, Hook, Result string
	Index               int
	Code                int    `json:"exit_code"`
	Signal              string `json:"exit_signal"`
}

func (w *world) hookRuns(vassal string) (runs []string) {
	w.t.Helper()
	var status struct{ Hooks []hookRun }
	if err := json.Unmarshal([]byte(w.succeed("status", "--json", vassal)), &status); err != nil {
		w.t.Fatal(err)
	}
	for _, h := range status.Hooks {
		runs = append(runs, fmt.Sprintf("%s #%d (%s): %s code=%d signal=%s", h.Phase, h.Index, h.Hook, h.Result, h.Code, h.Signal))
	}
	return runs
}

// The results of hooks, in the emperor and inside, are in status and metrics.
func TestHookResults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "exec-as-root = true", "exec-as-user = -exit 7", "hook-as-root = !print:word", "exec-post-fork = true", serves)
	e := w.start(allNamespaces, "--metrics", "127.0.0.1:7013", "--exec-as-emperor", "exit 3", "--exec-as-emperor", "kill -KILL $$",
		"--hook-as-emperor-setns", "net exec:exit 4", "--exec-as-vassal", "true", "--exec-on-vassal-ready", "true")
	e.running("a.ini")
	want := []string{
		"as-emperor #1 (exec: exit 3): exit status 3 code=3 signal=",
		"as-emperor #2 (exec: kill -KILL $$): signal: killed code=0 signal=SIGKILL",
		"as-emperor-setns #1 (hook: net exec:exit 4): exit status 4 code=4 signal=",
		"as-root #1 (hook: hidden): ok code=0 signal=",
		"as-root #2 (exec: true): ok code=0 signal=",
		"as-user #1 (exec: -exit 7): exit status 7 code=7 signal=",
		"as-vassal #1 (exec: true): ok code=0 signal=",
		"on-vassal-ready #1 (exec: true): ok code=0 signal=",
		"post-fork #1 (exec: true): ok code=0 signal=",
	}
	var got []string
	for deadline := time.Now().Add(patience); !slices.Equal(got, want) && time.Now().Before(deadline); {
		got = w.hookRuns("a.ini")
		slices.Sort(got)
	}
	if !slices.Equal(got, want) {
		t.Errorf("status tells\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if text := w.succeed("status", "a.ini"); !strings.Contains(text, "as-emperor #1 (exec: exit 3) after ") {
		t.Errorf("status prints\n%s", text)
	}
	metrics := w.run("curl -sS --max-time 10 http://127.0.0.1:7013/metrics")
	for _, line := range []string{
		`hook_duration_seconds_count{phase="as-emperor",result="failed"} 2`, `hook_duration_seconds_count{phase="as-root",result="ok"} 2`,
		`hook_duration_seconds_count{phase="post-fork",result="ok"} 1`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no %s among the metrics:\n%s", line, metrics)
		}
	}
	e.stop(syscall.SIGTERM)
}

// Lines of our programs in the processes of workers have their level and attributes, as lines
// of the vassal itself; programs that serve do not learn that.
func TestLinesOfWorkersHaveLevels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("cgi"))
	w.script(w.path("cgi/levels"), "echo; echo levels: $EMPEROR_LOG_LEVELS.")
	w.vassal("hook.ini", "exec-post-fork = -echo the reason; exit 3", "command = sh -c 'echo levels: $EMPEROR_LOG_LEVELS.; exec sleep 1000000'")
	w.vassal("server.ini", "http-socket = "+w.path("s/server"), "cgi = /cgi="+w.path("cgi"), "route = ^/out http:"+w.path("s/nothing"), "exec-post-fork = true")
	e := w.start(allNamespaces)
	for vassal, lines := range map[string][]string{
		"hook.ini":   {`"level":"WARN","msg":"the reason","vassal":"hook.ini","hook":"post-fork","index":1`, `"level":"WARN","msg":"hook failed"`, `"msg":"levels: ."`},
		"server.ini": {`"level":"INFO","msg":"hook done","vassal":"server.ini","hook":"post-fork"`},
	} {
		for _, line := range lines {
			e.await(vassal, line)
		}
	}
	if got := visit(t, w.path("s/server"), "/cgi/levels"); got != "levels: .\n" {
		t.Errorf("the program of CGI says %q", got)
	}
	visit(t, w.path("s/server"), "/out")
	e.await("server.ini", `"level":"WARN","msg":"cannot pass a request on"`)
	e.stop(syscall.SIGTERM)
}
