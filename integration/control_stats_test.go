//go:build linux

package integration

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// stats connects to a statistics socket and reads until it is closed.
func (w *world) stats(socket string) map[string]any {
	w.t.Helper()
	out := w.run("curl -s --max-time 10 --http0.9 telnet://127.0.0.1:" + socket + " </dev/null")
	var tree map[string]any
	if err := json.Unmarshal([]byte(out), &tree); err != nil {
		w.t.Fatalf("%v: %q", err, out)
	}
	return tree
}

func keys(v any) (names []string) {
	m, _ := v.(map[string]any)
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

// row returns the element of a list with an id.
func row(t *testing.T, tree map[string]any, list, id string) map[string]any {
	t.Helper()
	found := has(tree, list, id)
	if found == nil {
		t.Fatalf("there is no %s in %s: %v", id, list, tree)
	}
	return found
}

// has returns a row of a list, or nil.
func has(tree map[string]any, list, id string) map[string]any {
	rows, _ := tree[list].([]any)
	for _, r := range rows {
		if m, _ := r.(map[string]any); m["id"] == id {
			return m
		}
	}
	return nil
}

// A reader of uWSGI's statistics can read ours: every key exists, with a value of the same
// kind. (Keys of later versions exist as well.)
func TestStatisticsHaveTheKeysOfUWSGI(t *testing.T) {
	t.Parallel()
	needsUwsgi(t)
	w := newWorld(t)
	w.write("v/a.ini", "[uwsgi]\nsocket = 127.0.0.1:8001\nmaster = 1\nexec-as-root = true\n")
	w.write("v/b.ini", "[uwsgi]\nsocket = 127.0.0.1:8002\nexec-as-root = exit 1\n")
	theirs := func() map[string]any {
		stop, _ := w.uwsgi(t, "--emperor", w.vassals, "--emperor-stats", "127.0.0.1:7001")
		defer stop()
		var tree map[string]any
		eventually(t, "uWSGI's statistics tell of both", func() bool {
			text := w.run("curl -s --max-time 10 --http0.9 telnet://127.0.0.1:7001 </dev/null || :")
			return json.Unmarshal([]byte(text), &tree) == nil && has(tree, "vassals", "a.ini") != nil && has(tree, "blacklist", "b.ini") != nil
		})
		return tree
	}()
	w.write("v/a.ini", ini(serves))
	w.write("v/b.ini", ini("exec-as-root = exit 1", serves))
	e := w.start("--emperor-stats-server", "127.0.0.1:7002")
	pid := e.running("a.ini")
	e.await("b.ini", "-> backoff")
	ours := w.stats("7002")
	compare := func(what string, theirs, ours map[string]any) {
		for _, k := range keys(theirs) {
			value, ok := ours[k]
			if !ok {
				t.Errorf("%s: there is no %q", what, k)
			} else if kind(value) != kind(theirs[k]) {
				t.Errorf("%s: %q is %v, and %v in uWSGI's", what, k, value, theirs[k])
			}
		}
	}
	compare("the emperor", theirs, ours)
	compare("a vassal", row(t, theirs, "vassals", "a.ini"), row(t, ours, "vassals", "a.ini"))
	compare("a failed one", row(t, theirs, "blacklist", "b.ini"), row(t, ours, "blacklist", "b.ini"))
	if a := row(t, ours, "vassals", "a.ini"); a["pid"] != float64(pid) || a["accepting"] != 1.0 || a["monitor"] != w.vassals {
		t.Errorf("a.ini: %v", a)
	}
}

func kind(v any) string {
	switch v.(type) {
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "list"
	}
	return "object"
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	w.vassal("b.ini", "exec-as-root = exit 1", serves)
	e := w.start("--metrics", "127.0.0.1:7003", "--exec-as-emperor", "true", allNamespaces)
	e.running("a.ini")
	e.await("b.ini", "-> backoff")
	w.succeed("reload", "--wait", "a")
	var text string
	for _, want := range []string{
		`emperor_vassals{state="running"} 1`, `emperor_vassal_exits_total{cause="failed"} `, `emperor_reload_duration_seconds_count{result="ok"} 1`,
		`emperor_hook_duration_seconds_count{phase="as-emperor",result="ok"} `, `emperor_loop_latency_seconds_count `,
		`emperor_vassal_memory_bytes{vassal="a.ini"} `, `emperor_launch_duration_seconds_count `, `emperor_vassals{state="backoff"} `,
		`emperor_vassal_restarts_total `, `emperor_vassal_cpu_seconds_total{vassal="a.ini"} `, `emperor_ready_duration_seconds_count `,
		`emperor_hook_duration_seconds_count{phase="as-root",result="failed"} `, `emperor_vassals_without_series 0`,
	} {
		eventually(t, want, func() bool {
			text = w.run("curl -sS --max-time 10 http://127.0.0.1:7003/metrics")
			return strings.Contains(text, "\n"+want)
		})
	}
}
