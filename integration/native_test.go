//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// library compiles the functions that native hooks call.
func (w *world) library() string {
	w.t.Helper()
	path := w.path("native.so")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", path, "testdata/native.c").CombinedOutput(); err != nil {
		w.t.Fatalf("gcc: %v\n%s", err, out)
	}
	return path
}

// TestFunctionsOfC calls one of each signature, in the emperor and in the child.
func TestFunctionsOfC(t *testing.T) {
	w := newWorld(t)
	library, trace := w.library(), w.path("trace")
	t.Setenv("NATIVE_TRACE", trace)
	w.write("a.ini", ini(serves))
	if err := os.Chown(w.path("a.ini"), 4001, 4002); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(w.path("a.ini"), w.vassals+"/a.ini"); err != nil {
		t.Fatal(err)
	}
	e := w.start("--emperor-use-clone=uts,net,ipc,fs", "--dlopen", library,
		"--call-emperor-start", "nothing",
		"--call-as-emperor", "nothing", "--call-as-emperor1", "named", "--call-as-emperor2", "with_pid", "--call-as-emperor4", "with_all",
		"--hook-as-emperor-setns", "uts callint:number 5",
		"--call-as-vassal", "nothing", "--call-as-vassal1", "named", "--call-as-vassal3", "with_owner")
	pid := e.running("a.ini")
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var helper int
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, "number 5 pid=%d", &helper)
	}
	if helper == 0 || helper == pid || helper == e.pid() {
		t.Errorf("the function in the namespaces ran in process %d", helper)
	}
	want := fmt.Sprintf(`nothing pid=%[1]d
nothing pid=%[1]d
named a.ini pid=%[1]d
with_pid a.ini %[2]d pid=%[1]d
with_all a.ini %[2]d 4001 4002 pid=%[1]d
number 5 pid=%[3]d
nothing pid=%[2]d
named a.ini pid=%[2]d
with_owner a.ini 4001 4002 pid=%[2]d
`, e.pid(), pid, helper)
	if string(text) != want {
		t.Errorf("called were\n%s\nwant\n%s", text, want)
	}
	e.stop(syscall.SIGTERM)
}

// TestEffectsOfFunctionsOfC checks, from within the application, the effects of a library on
// the process. The application is the process itself or a worker of it.
func TestEffectsOfFunctionsOfC(t *testing.T) {
	report := `echo "files=$(ulimit -n),$(ulimit -Hn) core=$(ulimit -c) dir=$(pwd) host=$(hostname) $(grep NoNewPrivs /proc/self/status | tr -d '\t') uid=$(id -u)" >` // and a file
	for name, how := range map[string]string{"the process itself": "unprivileged-binary-patch-arg", "a worker": "command"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.library()
			seen, trace := w.path("seen/report"), w.path("seen/trace")
			t.Setenv("NATIVE_TRACE", trace)
			w.run("mkdir -m 777 " + w.path("seen"))
			w.write(trace, "")
			if err := os.Chmod(trace, 0o666); err != nil {
				t.Fatal(err)
			}
			w.script(w.path("app.sh"), report+seen+".new; mv "+seen+".new "+seen+"; exec sleep 1000")
			w.vassal("a.ini", "plugin-dir = "+w.base, "need-plugin = native|begin",
				"call-asap = nothing", "call-as-root = files", "call-as-root = no_core", "call-as-root = own_name", "call-as-user = no_new_privs",
				"hook-as-user = callret:differs two words", "hook-as-user = callint:number -9", "hook-as-user = callintret:same 0", "hook-as-user = -callintret:same 7", "call-pre-app = elsewhere",
				"hook-post-fork = call:named worker", "uid = 65534", "gid = 65534", how+" = "+w.path("app.sh"))
			e := w.start("--emperor-use-clone=uts,net,ipc,fs", "--pass-environment", "NATIVE_TRACE")
			e.await("a.ini", "same returned 7")
			w.reaches(seen, "uid")
			got, err := os.ReadFile(seen)
			if err != nil {
				t.Fatal(err)
			}
			dir := "/usr"
			if how != "command" { // it takes over before pre-app
				dir = w.vassals
			}
			if want := "files=777,777 core=0 dir=" + dir + " host=from-c NoNewPrivs:1 uid=65534\n"; string(got) != want {
				t.Errorf("the application sees %q, want %q", got, want)
			}
			w.reaches(trace, "begin pid", "nothing pid", "number -9 pid")
			if how == "command" {
				w.reaches(trace, "named worker pid")
			}
			e.stop(syscall.SIGTERM)
		})
	}
}

// TestNoSuchFunctionOfC: the error names the function and the searched libraries.
func TestNoSuchFunctionOfC(t *testing.T) {
	w := newWorld(t)
	library := w.library()
	for name, option := range map[string]string{
		"symbol.ini": "call-asap = nowhere", "library.ini": "dlopen = /nowhere/lib.so", "plugin.ini": "need-plugin = nowhere",
	} {
		w.vassal(name, "dlopen = "+library, "plugin-dir = "+w.base, option, serves)
	}
	w.vassal("optional.ini", "plugins = python3", serves)
	e := w.start("--emperor-use-clone=uts,net,ipc,fs")
	e.await("symbol.ini", `no such function (searched: `+library+" and the C library)")
	e.await("library.ini", `/nowhere/lib.so: cannot open shared object file`)
	e.await("plugin.ini", `: no such file (searched: `+w.base+"/nowhere_plugin.so, ")
	e.await("optional.ini", "a plugin is left out")
	e.running("optional.ini")
	e.stop(syscall.SIGTERM)
}

// TestSignalHandledByAFunctionOfC: the vassal's process calls it, and survives.
func TestSignalHandledByAFunctionOfC(t *testing.T) {
	w := newWorld(t)
	library, trace := w.library(), w.path("trace")
	t.Setenv("NATIVE_TRACE", trace)
	w.vassal("a.ini", "dlopen = "+library, "hook-as-root = unix_signal:PWR number", serves)
	e := w.start("--emperor-use-clone=uts,net,ipc,fs", "--pass-environment", "NATIVE_TRACE")
	pid := e.running("a.ini")
	for range 2 {
		if err := syscall.Kill(pid, syscall.SIGPWR); err != nil {
			t.Fatal(err)
		}
		w.reaches(trace, fmt.Sprintf("number 30 pid=%d", pid))
		if err := os.Remove(trace); err != nil {
			t.Fatal(err)
		}
	}
	if !alive(pid) {
		t.Errorf("the vassal is dead:\n%s", e.tail())
	}
	e.stop(syscall.SIGTERM)
}
