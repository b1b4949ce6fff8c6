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

// kindsThatTrace are those of which a hook can leave a line. Functions of C have a
// story of their own.
var kindsThatTrace = []hooks.Kind{hooks.Do, hooks.Mount, hooks.Umount, hooks.Exec, hooks.Program}

// recording are options that record every phase of one program in a file. A mount
// and an umount show by what is mounted on the phase's directory before and after
// them: only in the right order is the first mount on top again.
func (w *world) recording(who hooks.Who, dir, trace string) (options []string) {
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
			texts[hooks.Do] = texts[hooks.Do][:1] // nobody would unmount it
		}
		for _, k := range slices.Backward(kindsThatTrace) { // the order of the file is not that of the kinds
			for _, text := range texts[k] {
				if slices.Contains(p.Kinds, k) {
					options = append(options, hooks.Spec{Phase: p.Phase, Kind: k}.Option(), subject+text)
				}
			}
		}
	}
	return options
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

// TestEveryPhaseInItsOrder records a whole life: start, reload, touch, death and
// stop, in namespaces, as root and in a user namespace.
func TestEveryPhaseInItsOrder(t *testing.T) {
	for _, clone := range []string{"pid,uts,net,ipc,fs", "pid,uts,net,ipc,fs,user"} {
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
	options := pairs(w.recording(hooks.Vassal, w.path("h"), trace), "%s = %s")
	w.vassal("a.ini", append(options, "jailed = true", serves)...)
	args := []string{"--emperor-use-clone=" + clone}
	args = append(args, pairs(w.recording(hooks.Emperor, w.path("h"), trace), "--%s=%s")...)
	e := w.start(args...)
	e.running("a.ini")
	w.reaches(trace, "on-vassal-ready exec", "accepting1-once exec")
	touched := w.path("h/touched")
	if err := os.Chtimes(touched, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.reaches(trace, "touch hook")
	e.remove("a.ini")
	e.gone("a.ini")
	e.stop(syscall.SIGTERM)
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	return settle(string(text))
}

// settle puts what happens in two processes at a time into one order: the hooks of
// readiness are moved behind those of the worker.
func settle(trace string) string {
	var rest, ready []string
	at := -1
	for line := range strings.Lines(trace) {
		if strings.HasPrefix(line, "on-vassal-ready") {
			ready = append(ready, line)
			continue
		}
		rest = append(rest, line)
		if strings.HasPrefix(line, "master-start") {
			at = len(rest)
		}
	}
	if at < 0 {
		return trace
	}
	return strings.Join(slices.Concat(rest[:at], ready, rest[at:]), "")
}

// reaches waits until a file holds all the texts.
func (w *world) reaches(file string, texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		eventually(w.t, file+" has "+text, func() bool {
			b, _ := os.ReadFile(file)
			return strings.Contains(string(b), text)
		})
	}
}

// phasesOfBoth are those of the real uwsgi that a life without a reload passes.
var phasesOfBoth = []hooks.Phase{
	hooks.Asap, hooks.PreJail, hooks.InJail, hooks.PostJail, hooks.AsRoot, hooks.AsUser, hooks.PreApp, hooks.PostApp,
	hooks.AsUserAtexit,
}

// TestUWSGIRunsThePhasesInTheSameOrder runs the same file by both programs.
func TestUWSGIRunsThePhasesInTheSameOrder(t *testing.T) {
	uwsgi, err := exec.LookPath("uwsgi")
	if err != nil {
		t.Skip("there is no uwsgi on this machine")
	}
	w := newWorld(t)
	traces := map[string]string{}
	for name, command := range map[string][]string{"uwsgi": {uwsgi, "--ini"}, "vassal": {program("vassal"), "--ini"}} {
		dir := w.path(name)
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		trace := filepath.Join(dir, "trace")
		var options []string
		for _, p := range phasesOfBoth {
			for _, k := range []hooks.Kind{hooks.Exec, hooks.Do} { // written in the wrong order
				text := fmt.Sprintf("echo %s %s >>%s", p, k, trace)
				if k == hooks.Do {
					text = "exec:" + text
				}
				options = append(options, hooks.Spec{Phase: p, Kind: k}.Option()+" = "+text)
			}
		}
		for _, p := range []hooks.Phase{hooks.Accepting, hooks.AcceptingOnce, hooks.Accepting1, hooks.Accepting1Once, hooks.PostFork} {
			options = append(options, fmt.Sprintf("hook-%s = exec:echo %s >>%s", p, p, trace))
		}
		options = append(options, "uid = 4001", "gid = 4001", "socket = "+w.path("s/"+name), "jailed = true", "master = true")
		if name == "vassal" {
			options = append(options, serves)
		}
		file := filepath.Join(dir, "a.ini")
		w.write(file, ini(options...))
		w.write(trace, "")
		if err := os.Chmod(trace, 0o666); err != nil {
			t.Fatal(err)
		}
		cmd := w.inside(command[0], append(command[1:], file)...)
		cmd.Dir = dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.reaches(trace, "accepting1-once\n")
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait()
		w.reaches(trace, "as-user-atexit exec")
		text, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		traces[name] = string(text)
	}
	if traces["uwsgi"] != traces["vassal"] {
		t.Errorf("uwsgi runs\n%s\nand vassal runs\n%s", traces["uwsgi"], traces["vassal"])
	}
}
