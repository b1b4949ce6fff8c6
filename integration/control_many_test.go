//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Commands take several names and patterns: each vassal is named in the result, and one that fails keeps
// no other from it.
func TestOperatorNamesSeveral(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"shop-1.ini", "shop-2.ini", "blog.ini"} {
		w.vassal(name, "uid = 4001", "gid = 4001", serves)
	}
	e := w.start(allNamespaces)
	pids := map[string]int{}
	for _, name := range []string{"shop-1.ini", "shop-2.ini", "blog.ini"} {
		pids[name] = e.running(name)
	}
	out := w.succeed("restart", "--wait", "shop-*")
	for _, want := range []string{"shop-1.ini: running, generation 2", "shop-2.ini: running, generation 2"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	list := w.list()
	if list["shop-1.ini"].PID == pids["shop-1.ini"] || list["shop-2.ini"].PID == pids["shop-2.ini"] || list["blog.ini"].PID != pids["blog.ini"] {
		t.Errorf("after the restart: %+v", list)
	}
	if out, code := w.command("stop", "--wait", "blog", "shup-1", "shop-2"); code != 4 || !strings.Contains(out, "did you mean shop-1.ini") ||
		!strings.Contains(out, "1 of 3 vassals could not stop") {
		t.Errorf("code %d: %s", code, out)
	}
	if out, code := w.command("start", "nothing-*"); code != 4 || !strings.Contains(out, `no vassal matches "nothing-*"`) {
		t.Errorf("code %d: %s", code, out)
	}
	if got := strings.Fields(w.succeed("list", "-q", "--state", "idle")); !slices.Equal(got, []string{"blog.ini", "shop-2.ini"}) {
		t.Errorf("idle: %q", got)
	}
	if got := strings.Fields(w.succeed("ls", "-o", "name", "shop-*")); !slices.Equal(got, []string{"shop-1.ini", "shop-2.ini"}) {
		t.Errorf("by a pattern: %q", got)
	}
	if got := strings.Fields(w.succeed("list", "-q", "--owner", "nobody")); len(got) != 0 {
		t.Errorf("of the user nobody: %q", got)
	}
	if text := w.succeed("status", "shop-*", "blog"); strings.Count(text, "\nstate ") != 3 || strings.Count(text, "\n\nname ") != 2 {
		t.Errorf("the status of three: %s", text)
	}
	var many []struct{ Name string }
	if err := json.Unmarshal([]byte(w.succeed("status", "-o", "json", "shop-*")), &many); err != nil || len(many) != 2 {
		t.Errorf("the status of a pattern as JSON: %v %+v", err, many)
	}
	if out, code := w.command("status", "blog", "shup-1"); code != 4 || !strings.Contains(out, "did you mean shop-1.ini") || !strings.Contains(out, "name             blog.ini") {
		t.Errorf("code %d: %s", code, out)
	}
	if text := w.succeed("events", "--format", "{{.Vassal}} is {{.To}}", "blog"); !strings.Contains(text, "blog.ini is running\n") {
		t.Errorf("events by a template: %s", text)
	}
	if out, code := w.command("enter", "bl*", "sh", "-c", "echo inside"); code != 1 || !strings.Contains(out, `"blog.ini" has no process`) {
		t.Errorf("code %d: %s", code, out)
	}
	for _, verb := range []string{"enter", "attach"} {
		if out, code := w.command(verb, "shop-*"); code != 2 || !strings.Contains(out, verb+` takes one vassal, and "shop-*" matches 2: shop-1.ini, shop-2.ini`) {
			t.Errorf("code %d: %s", code, out)
		}
	}
	if text := w.succeed("config", "shop-*", "blog"); strings.Count(text, "uid = 4001\n") != 3 || !strings.Contains(text, "; shop-1.ini\n") {
		t.Errorf("the options of three: %s", text)
	}
	var options []struct {
		Vassal  string
		Options []struct{ Name, Value string }
	}
	if _, text, _ := strings.Cut(w.succeed("config", "--json", "bl*"), "\n"); json.Unmarshal([]byte(text), &options) != nil || len(options) != 1 ||
		options[0].Vassal != "blog.ini" || len(options[0].Options) != 3 {
		t.Errorf("the options of a pattern as JSON: %s", text)
	}
	if out, code := w.command("config", "blag"); code != 4 || !strings.Contains(out, "did you mean blog.ini") {
		t.Errorf("code %d: %s", code, out)
	}
	if out, code := w.command("diff", "blag"); code != 4 || strings.Count(out, "\n") != 1 {
		t.Errorf("code %d: %s", code, out)
	}
	var answers []struct{ Name string }
	if err := json.Unmarshal([]byte(w.succeed("start", "--wait", "--json", "blog", "shop-2")), &answers); err != nil || len(answers) != 2 || answers[0].Name != "blog.ini" {
		t.Errorf("%v %+v", err, answers)
	}
	if out, code := w.command("list", "shup-1"); code != 4 || !strings.Contains(out, "did you mean shop-1.ini") {
		t.Errorf("code %d: %s", code, out)
	}
}

// wait returns as soon as vassals run or are gone, also those whose files come later, and reports at the end of
// its time which ones are missing and why.
func TestOperatorWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("bad.ini", "exec-as-root = exit 9", serves)
	e := w.start(allNamespaces)
	e.await("", "is watching")
	ended := make(chan string, 1)
	go func() {
		out, code := w.command("wait", "--timeout", "1m", "late")
		ended <- fmt.Sprint(code, out)
	}()
	e.await("bad.ini", "-> backoff")
	w.vassal("late.ini", serves)
	select {
	case got := <-ended:
		if !strings.HasPrefix(got, "0") {
			t.Error(got)
		}
	case <-time.After(patience):
		t.Fatal("wait does not return")
	}
	if state := w.list()["late.ini"].State; state != "running" {
		t.Errorf("late.ini is %s", state)
	}
	if out, code := w.command("wait", "--timeout", "300ms", "bad", "late", "none"); code != 1 ||
		!regexp.MustCompile(`not running after 300ms: bad\.ini is \S+ .*exit status 9.*; none: no such vassal`).MatchString(out) || strings.Contains(out, "late") {
		t.Errorf("code %d: %s", code, out)
	}
	w.run("rm " + w.vassals + "/late.ini")
	w.succeed("wait", "--for", "gone", "late")
}

// logs shows several vassals at once, and selects lines.
func TestLogsOfSeveral(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"a", "b", "c"} {
		w.vassal(name+".ini", "uid = 4001", "gid = 4001", fmt.Sprintf("command = sh -c 'echo one %s; echo two %s; exec sleep 1000'", name, name))
	}
	e := w.start(allNamespaces)
	for _, name := range []string{"a.ini", "b.ini", "c.ini"} {
		e.running(name)
		e.await(name, "two "+name[:1])
	}
	all := w.succeed("logs")
	for _, want := range []string{`(?m)^a\.ini .* one a$`, `(?m)^b\.ini .* one b$`, `(?m)^c\.ini .* two c$`} {
		if !regexp.MustCompile(want).MatchString(all) {
			t.Errorf("no %s in\n%s", want, all)
		}
	}
	if got := w.succeed("logs", "--grep", "^two", "a", "b"); strings.Count(got, "two") != 2 || strings.Contains(got, "one") || strings.Contains(got, "two c") {
		t.Errorf("selected:\n%s", got)
	}
	if got := w.succeed("logs", "--until", "1h", "a"); got != "" {
		t.Errorf("old lines:\n%s", got)
	}
	if got := w.succeed("events", "--since", "1h", "-n", "2", "[ab]"); strings.Count(got, "\n") != 2 || strings.Contains(got, "c.ini") {
		t.Errorf("events:\n%s", got)
	}
	follow := w.inside(program("emperor"), "logs", "-f", "-n", "0", "*")
	out := w.begin(follow)
	defer out.Close()
	time.Sleep(300 * time.Millisecond) // its stream begins
	w.vassal("new.ini", "uid = 4001", "gid = 4001", "command = sh -c 'echo three; exec sleep 1000'")
	w.succeed("restart", "a")
	text := ""
	_ = out.SetReadDeadline(time.Now().Add(patience))
	for buffer := make([]byte, 4096); !strings.Contains(text, "three") || !strings.Contains(text, "two a"); {
		n, err := out.Read(buffer)
		if err != nil {
			t.Fatalf("%v after\n%s", err, text)
		}
		text += string(buffer[:n])
	}
	_ = follow.Process.Kill()
	_ = follow.Wait()
}
