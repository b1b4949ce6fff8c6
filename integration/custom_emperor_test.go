//go:build linux

package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestCustomEmperor: the example has its own monitor, hook and metric, and everything that
// emperor has.
func TestCustomEmperor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	custom := w.path("custom-emperor")
	build := exec.Command("go", "build", "-o", custom, "../examples/custom-emperor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	answer := func(vassals map[string]string) {
		text, err := json.Marshal(vassals)
		if err != nil {
			t.Fatal(err)
		}
		w.write(filepath.Join(w.vassals, "answer.json"), string(text))
	}
	ask := func(args ...string) string { return output(t, w.inside(custom, args...)) }
	one, two := ini(`command = sh -c "echo it serves; exec sleep 1000"`, "uid = 4001", "gid = 4001"), ini(serves, "uid = 4001", "gid = 4001", "umask = 077")
	answer(map[string]string{"a.ini": one})
	endpoint := w.launch(w.inside(program("vassal-server"), "--http-socket", "127.0.0.1:7099", "--static-map", "/="+w.vassals))
	eventually(t, "the endpoint answers", func() bool { return w.inside("curl", "-sf", "http://127.0.0.1:7099/answer.json").Run() == nil })

	cmd := w.inside(custom, "--emperor-log-format=json", "--emperor-use-clone=pid,net", "--metrics", "127.0.0.1:7098", "--call-as-emperor=greet", "http://127.0.0.1:7099/answer.json")
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv(binEnv)+":"+os.Getenv("PATH"))
	e := w.launch(cmd)
	e.await("a.ini", "a warm welcome to a.ini")
	eventually(t, "a.ini runs", func() bool { return strings.Contains(ask("list"), "a.ini  running ") })

	answer(map[string]string{"a.ini": two, "b.ini": one})
	e.await("b.ini", "a warm welcome to b.ini")
	e.await("a.ini", "a warm welcome to a.ini") // umask takes a new process
	e.await("b.ini", "it serves")
	eventually(t, "b.ini runs", func() bool { return strings.Contains(w.succeed("status", "b"), "running") })
	if out := w.run("curl -sS http://127.0.0.1:7098/metrics"); !strings.Contains(out, "custom_greetings_total 3") || !strings.Contains(out, `emperor_vassal_launches_total{vassal="b.ini"} 1`) {
		t.Errorf("metrics:\n%s", out)
	}
	if out := ask("logs", "b"); !strings.Contains(out, "it serves") {
		t.Errorf("logs b: %q", out)
	}

	endpoint.stop(syscall.SIGTERM)
	e.await("", "the vassals stay as they are")
	if list := ask("list"); !strings.Contains(list, "a.ini") || !strings.Contains(list, "b.ini") {
		t.Errorf("without the endpoint:\n%s", list)
	}
	e.stop(syscall.SIGTERM)
}
