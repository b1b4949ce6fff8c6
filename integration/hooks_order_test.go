//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/hooks"
)

const orderGolden = "testdata/hooks_order.golden"

// recording returns options that record every phase of one program in a file, with hooks of
// every kind, and the code of the functions that some of them call. The position of a mount
// and an umount shows in the mounts on the phase's directory before and after: only in the
// right order is the first mount on top again.
func (w *world) recording(who hooks.Who, dir, trace string) (options []string, code string) {
	w.t.Helper()
	for _, p := range hooks.Phases() {
		if p.Who != who {
			continue
		}
		at, subject := filepath.Join(dir, string(p.Phase)), ""
		switch p.Subject {
		case "NAMESPACES":
			subject = "mnt,net "
		case "FILE":
			subject = filepath.Join(dir, "touched") + " "
		}
		line := func(kind hooks.Kind) string {
			return fmt.Sprintf(`echo "%s %s on=$(awk '$5=="%s"{n=NF-1;on=$n}END{print on}' /proc/self/mountinfo)" >>%s`, p.Phase, kind, at, trace)
		}
		texts := map[hooks.Kind][]string{
			hooks.Do:      {"exec:mkdir -p " + at + "; " + line(hooks.Do), "-mount:tmpfs first " + at},
			hooks.Mount:   {"-tmpfs second " + at},
			hooks.Umount:  {"-" + at},
			hooks.Exec:    {line(hooks.Exec) + "; umount " + at + " 2>/dev/null; true"},
			hooks.Program: {at + ".sh"},
		}
		if slices.Contains(p.Kinds, hooks.Program) {
			w.script(at+".sh", fmt.Sprintf(`echo "%s $1" >>%s`, p.Phase, trace))
		}
		if len(p.Kinds) == 1 {
			texts[hooks.Do] = texts[hooks.Do][:1] // no later hook would unmount it
		}
		for _, k := range []hooks.Kind{hooks.Call, hooks.Call1, hooks.Call2, hooks.Call3, hooks.Call4} {
			if slices.Contains(p.Kinds, k) {
				texts[k] = []string{symbol(p.Phase, k)}
				code += function(p.Phase, k, trace)
			}
		}
		for _, k := range slices.Backward(hooks.Kinds()) { // the order of the file differs from the order of the kinds
			for _, text := range texts[k] {
				if slices.Contains(p.Kinds, k) {
					options = append(options, hooks.Spec{Phase: p.Phase, Kind: k}.Option(), subject+text)
				}
			}
		}
	}
	return options, code
}

// symbol returns the name of a function that records its call, and function its code in C.
func symbol(p hooks.Phase, k hooks.Kind) string {
	return "f_" + strings.ReplaceAll(string(p), "-", "_") + "_" + string(k)
}

func function(p hooks.Phase, k hooks.Kind, trace string) string {
	return fmt.Sprintf("void %s(void) { say(%q, %q); }\n", symbol(p, k), trace, string(p)+" "+string(k)+"\n")
}

// compile makes a library of functions.
func (w *world) compile(code string) (library string) {
	w.t.Helper()
	w.write("trace.c", "#include <stdio.h>\nstatic void say(const char *f, const char *s) { FILE *o = fopen(f, \"a\"); if (o) { fputs(s, o); fclose(o); } }\n"+code)
	library = w.path("trace.so")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, w.path("trace.c")).CombinedOutput(); err != nil {
		w.t.Fatalf("gcc: %v\n%s", err, out)
	}
	return library
}

func (w *world) script(path, text string) {
	w.t.Helper()
	w.write(path, "#!/bin/sh\n"+text+"\n")
	if err := os.Chmod(path, 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// pairs makes options of an ini file, or of a command line.
func pairs(options []string, format string) (list []string) {
	for i := 0; i < len(options); i += 2 {
		list = append(list, fmt.Sprintf(format, options[i], options[i+1]))
	}
	return list
}

// TestEveryPhaseInItsOrder records a whole life: start, reload, touch, death and stop, in
// namespaces, as root and in a user namespace.
func TestEveryPhaseInItsOrder(t *testing.T) {
	for _, clone := range []string{"pid,uts,net,ipc,fs", "pid,uts,net,ipc,fs,user=identity"} {
		t.Run(clone, func(t *testing.T) {
			got := recordedLife(t, clone)
			want, err := os.ReadFile(orderGolden)
			if os.Getenv("EMPEROR_FIX_DOCS") != "" && clone == "pid,uts,net,ipc,fs" {
				want, err = []byte(got), os.WriteFile(orderGolden, []byte(got), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the order is\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func recordedLife(t *testing.T, clone string) string {
	t.Helper()
	w := newWorld(t)
	w.run("mkdir -p /run/mount") // mount(8) would
	w.before = w.snapshot()
	if err := os.MkdirAll(w.path("h"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(w.path("h"), 0o777); err != nil {
		t.Fatal(err)
	}
	trace := w.path("h/trace")
	w.write(trace, "")
	w.write(w.path("h/touched"), "")
	if err := os.Chmod(trace, 0o666); err != nil {
		t.Fatal(err)
	}
	inside, functions := w.recording(hooks.Vassal, w.path("h"), trace)
	outside, more := w.recording(hooks.Emperor, w.path("h"), trace)
	library := w.compile(functions + more)
	w.vassal("a.ini", append(pairs(inside, "%s = %s"), "dlopen = "+library, "jailed = true", serves)...)
	args := append([]string{"--emperor-use-clone=" + clone, "--dlopen=" + library}, pairs(outside, "--%s=%s")...)
	e := w.start(args...)
	e.running("a.ini")
	w.reaches(trace, "on-vassal-ready exec", "accepting1-once exec")
	touched := w.path("h/touched")
	if err := os.Chtimes(touched, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.reaches(trace, "touch hook")
	w.succeed("reload", "a.ini", "--wait")
	w.reaches(trace, "emperor-reload exec")
	e.remove("a.ini")
	e.gone("a.ini")
	e.stop(syscall.SIGTERM)
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	return settle(string(text))
}

// settle puts events of concurrent processes into one order: after the application come the
// master's start, the worker, and the emperor's reaction.
func settle(trace string) string {
	groups := map[string][]string{}
	var order []string
	for line := range strings.Lines(trace) {
		name, _, _ := strings.Cut(line, " ")
		if _, known := groups[name]; !known {
			order = append(order, name)
		}
		groups[name] = append(groups[name], line)
	}
	at := slices.Index(order, "post-app") + 1
	beside := []string{"master-start", "on-vassal-ready", "post-fork"}
	order = slices.DeleteFunc(order, func(name string) bool { return slices.Contains(beside, name) })
	var b strings.Builder
	for _, name := range slices.Insert(order, at, beside...) {
		b.WriteString(strings.Join(groups[name], ""))
	}
	return b.String()
}

// reaches waits until a file contains all the texts.
func (w *world) reaches(file string, texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		eventually(w.t, file+" has "+text, func() bool {
			b, _ := os.ReadFile(file)
			return strings.Contains(string(b), text)
		})
	}
}
