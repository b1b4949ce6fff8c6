//go:build linux

package integration

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// receiver writes the requests of OTLP that it gets to a file, one in each line.
const receiver = `
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/traces" and self.headers["Content-Type"] == "application/json":
            with open(sys.argv[1], "ab") as f: f.write(body + b"\n")
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"{}")
    def log_message(self, *args): pass
print("ready", flush=True)
http.server.HTTPServer(("127.0.0.1", 4318), Handler).serve_forever()
`

// A receiver of OpenTelemetry gets the parts of each launch, also of one that fails.
func TestTraces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("receiver.py", receiver)
	cmd := w.inside("python3", w.path("receiver.py"), w.path("traces"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "the receiver listens", func() bool { return strings.Contains(w.run("ss -Hltn"), "127.0.0.1:4318") })
	w.vassal("good.ini", serves, "hook-as-root = hostname:good")
	w.vassal("bad.ini", serves, "exec-as-root = exit 7")
	e := w.start(allNamespaces, "--emperor-network", "routed", "--emperor-trace", "http://127.0.0.1:4318")
	e.running("good.ini")
	e.await("bad.ini", "-> backoff")
	failures := map[string]string{} // of spans, by name
	var names []string
	eventually(t, "both launches are traced", func() bool {
		names = nil
		text, _ := os.ReadFile(w.path("traces"))
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			var got struct {
				ResourceSpans []struct {
					ScopeSpans []struct {
						Spans []struct {
							Name   string
							Status struct{ Message string }
						}
					}
				}
			}
			if json.Unmarshal([]byte(line), &got) != nil {
				continue
			}
			for _, s := range got.ResourceSpans[0].ScopeSpans[0].Spans {
				names, failures[s.Name] = append(names, s.Name), s.Status.Message
			}
		}
		return slices.Contains(names, "start of good.ini") && slices.Contains(names, "start of bad.ini")
	})
	for _, want := range []string{"queue", "launch", "clone", "network", "boot", "hook as-root"} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no span %q in %q", want, names)
		}
	}
	if failures["start of good.ini"] != "" || !strings.Contains(failures["start of bad.ini"], "exit status") {
		t.Errorf("the failures are %q", failures)
	}
}
