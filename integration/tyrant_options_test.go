//go:build linux

package integration

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/emperor-go/emperor/pkg/config"
)

// A tenant's file with a line for each option that acts with the operator's rights: each is refused with file and line, by the check and
// by the emperor, and no line has an effect.
func TestTenantsFileHasEveryRootOption(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir -m 777 " + w.path("s/d"))
	text, want := "[uwsgi]\ncommand = sh -c 'echo it runs; exec sleep 1000000'\n", map[string]int{}
	line := 3
	for _, section := range config.VassalOptions() {
		for _, o := range section.Options {
			if o.Tenant {
				continue
			}
			for _, name := range append([]string{o.Name}, o.Aliases...) {
				text += fmt.Sprintf("%s = touch %s/d/%s\n", name, w.path("s"), name)
				want[name] = line
				line++
			}
		}
	}
	for _, name := range []string{"exec-as-root", "exec-asap", "hook-as-root", "mount-as-root", "binsh", "dlopen", "plugin", "uid", "gid", "add-gid", "pidfile", "log", "shared-socket", "fallback-config"} {
		if want[name] == 0 {
			t.Errorf("%s is permitted in a tenant's file", name)
		}
	}
	w.tenant("good.ini", 4002, serves)
	w.owned(w.vassals+"/all.ini", 4001, text)
	w.write("emperor.ini", ini("emperor = "+w.vassals, "emperor-tyrant = true", "emperor-limits = best-effort", "emperor-use-clone = pid,uts,net,ipc,fs", "vassal-set = "+w.visible()))
	checked, code := w.command("check", w.path("emperor.ini"))
	if code != 1 {
		t.Errorf("emperor check ends with %d", code)
	}
	e := w.startOver("--emperor-log-format", "json", "--ini", w.path("emperor.ini"))
	e.running("good.ini")
	e.await("all.ini", "not permitted in a tenant's own file")
	e.await("all.ini", fmt.Sprintf("/all.ini:%d: ", line-1))
	said := e.about("all.ini")
	for name, line := range want {
		mistake := fmt.Sprintf("%s/all.ini:%d: %s: ", w.vassals, line, name)
		if !strings.Contains(checked, mistake) {
			t.Errorf("emperor check does not report %s", mistake)
		}
		if !strings.Contains(said, mistake) {
			t.Errorf("the log does not report %s", mistake)
		}
	}
	if e.count("all.ini", "it runs")+e.count("all.ini", "-> running") > 0 {
		t.Errorf("it runs:\n%s", e.tail())
	}
	if found := w.run("ls -A " + w.path("s/d")); found != "" {
		t.Errorf("there are %s", found)
	}
}

// /etc/shadow is not read for a tenant in any way that a configuration has, and no file of the tenant becomes root's.
func TestTenantsFileReadsNothingOfRoot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shadow, err := os.ReadFile("/etc/shadow")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(shadow), "\n")
	w.run("mkdir -m 700 " + w.path("home") + " && chown 4001 " + w.path("home"))
	lines := map[string]string{
		"ini": "ini = /etc/shadow", "include": "include = /etc/shadow", "content": "env = A=@(/etc/shadow)", "exec": "env = A=@(exec://cat /etc/shadow)", "inherit": "inherit = /etc/shadow",
		"inject": "inject-before = /etc/shadow", "envdir": "envdir = /etc/shadow", "limit": "memory-max = @(/etc/shadow)", "call": "env = A=@(call://id)", "yaml": "yaml = /etc/shadow", "json": "json = /etc/shadow",
		"static": "static-map = /=/etc/shadow", "exists": "if-exists = /root/.\nenv = ROOT=1\nendif =", "chdir": "chdir = /root", "sock": "socket = /root/sock", "touch": "hook-touch = /etc/shadow exec:id",
		"http": "http-socket = " + w.path("home/http"), "stats": "stats = /root/stats", "own": "exec-as-user = touch " + w.path("home/mine"),
	}
	for name, line := range lines {
		w.tenant(name+".ini", 4001, line, "command = sh -c 'echo environment `env | tr \"\\n\" \" \"`; exec sleep 1000000'")
	}
	e := w.start(w.tyrant("--emperor-tyrant-max", "100")...)
	e.running("own.ini")
	e.running("http.ini")
	for name := range lines {
		eventually(t, name+".ini was started or refused", func() bool {
			return e.count(name+".ini", "-> running")+e.count(name+".ini", "-> backoff")+e.count(name+".ini", "ERROR")+e.count(name+".ini", "cannot")+e.count(name+".ini", "environment") > 0
		})
		about := e.about(name + ".ini")
		if strings.Contains(about, first) || strings.Contains(about, "ROOT=1") {
			t.Errorf("%s: root's file is in\n%s", name, about)
		}
		if name == "ini" || name == "content" || name == "inherit" || name == "limit" {
			if !strings.Contains(about, w.vassals+"/"+name+".ini:2: ") {
				t.Errorf("%s: no place in\n%s", name, about)
			}
		}
	}
	for _, file := range strings.Fields(w.run("find " + w.path("home") + " " + w.path("s") + " -mindepth 1")) {
		var s syscall.Stat_t
		if err := syscall.Lstat(file, &s); err != nil || s.Uid != 4001 {
			t.Errorf("%s belongs to %d: %v", file, s.Uid, err)
		}
	}
}
