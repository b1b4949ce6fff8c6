//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// took is a vassal whose log contains the version of its file.
func took(version int) string {
	return ini(fmt.Sprintf("exec-as-root = echo took %d.", version), serves)
}

// Every way to change a file takes effect, once.
func TestChangesTakeEffectOnceAndOnlyOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := filepath.Join(w.vassals, "a.ini")
	script := func(format string) func(int) {
		return func(n int) {
			text := strings.NewReplacer("FILE", file, "OLD", fmt.Sprint(n-1), "NEW", fmt.Sprint(n), "BASE", w.base).Replace(format)
			if out, err := exec.Command("sh", "-ec", text).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", text, err, out)
			}
		}
	}
	version := func(name string) func(int) {
		return func(n int) { w.write(name, took(n)) }
	}
	ways := []struct {
		name   string
		change func(n int)
	}{
		{"create", func(n int) { put(t, file, took(n)) }},
		{"rename over", version(file)},
		{"write in place", func(n int) { put(t, file, took(n)) }},
		{"write in two halves", func(n int) { inHalves(t, file, took(n)) }},
		{"sed -i", script(`sed -i s/OLD\\./NEW./ FILE`)},
		{"vim", script(`vim -u NONE -es -c %s/OLD\\./NEW./ -c wq FILE </dev/null`)},
		{"vim with a backup", script(`vim -u NONE -es -c 'set backup backupcopy=no' -c %s/OLD\\./NEW./ -c wq FILE </dev/null`)},
		{"rsync -t of an older file", func(n int) {
			w.write("older", took(n))
			script(`touch -d 2001-02-03 BASE/older; rsync -t BASE/older FILE`)(n)
		}},
		{"cp -p of an older file", func(n int) {
			w.write("older", took(n))
			script(`touch -d 2001-02-03 BASE/older; cp -p BASE/older FILE`)(n)
		}},
		{"remove and write at once", func(n int) { script(`rm FILE`)(n); put(t, file, took(n)) }},
		{"the first write of a second", func(n int) { untilSecond(); version(file)(n) }},
		{"the second write of that second", version(file)},
		{"a link in its place", func(n int) {
			version("one.ini")(n)
			script(`ln -sfn BASE/one.ini FILE`)(n)
		}},
		{"ln -sfn to another file", func(n int) {
			version("two.ini")(n)
			script(`ln -sfn BASE/two.ini FILE`)(n)
		}},
		{"the file behind the link", version("two.ini")},
		{"a link through another", func(n int) {
			script(`mkdir BASE/r1 BASE/r2; ln -sfn r1 BASE/current`)(n)
			version("r1/app.ini")(n)
			script(`ln -sfn BASE/current/app.ini FILE`)(n)
		}},
		{"ln -sfn of the directory on the way", func(n int) {
			version("r2/app.ini")(n)
			script(`ln -sfn r2 BASE/current`)(n)
		}},
	}
	e := w.start("--emperor-freq", "1", "--emperor-change-pause", "0")
	for i, way := range ways {
		way.change(i + 1)
		e.await("a.ini", fmt.Sprintf("took %d.", i+1))
		e.running("a.ini")
		if t.Failed() {
			t.Fatalf("%s: does not work", way.name)
		}
	}
	time.Sleep(1100 * time.Millisecond) // a complete rescan
	e.barrier()
	for i, way := range ways {
		if n := e.count("a.ini", fmt.Sprintf("took %d.", i+1)); n != 1 {
			t.Errorf("%s took effect %d times:\n%s", way.name, n, e.about("a.ini"))
		}
	}
	e.remove("a.ini")
	e.gone("a.ini")
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// inHalves writes a file as a slow program does. Its first half is a valid configuration, too.
func inHalves(t *testing.T, file, text string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	half := strings.LastIndex(text, serves)
	for _, part := range []string{"[uwsgi]\n" + serves + "\n", text[len("[uwsgi]\n"):half]} {
		if _, err := f.WriteString(part); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// untilSecond waits for the beginning of a second.
func untilSecond() { time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) }

func TestOtherFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.start()
	half, err := os.Create(filepath.Join(w.vassals, "half.ini"))
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	if _, err := half.WriteString(took(1)); err != nil {
		t.Fatal(err)
	}
	others := []string{".hidden.ini", "a.ini~", ".a.ini.swp", "a.ini.swp", "4913", "notes.txt", "a.ini.rpmnew", "ini"}
	for _, name := range others {
		put(t, filepath.Join(w.vassals, name), took(1))
	}
	e.barrier()
	for _, name := range append(others, "half.ini") {
		if n := e.count(name, ""); n > 0 {
			t.Errorf("%q was not left alone:\n%s", name, e.tail())
		}
	}
	half.Close()
	e.running("half.ini")
}

func TestSeveralDirectories(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, dir := range []string{"d1", "d2", "d3"} {
		if err := os.Mkdir(w.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
		w.write(dir+"/"+dir+".ini", ini(serves))
	}
	w.write("d1/same.ini", ini("exec-as-root = echo of the first", serves))
	e := w.startOver("--emperor", w.path("d1"), "--emperor", w.path("d2"), w.path("d3"))
	for _, dir := range []string{"d1", "d2", "d3"} {
		e.running(dir + ".ini")
	}
	pid := e.running("same.ini")
	w.write("d2/same.ini", ini("exec-as-root = echo of the second", serves))
	e.await("same.ini", "there is another")
	if !alive(pid) || e.count("same.ini", "of the second") > 0 {
		t.Error("a file of the same name in another directory disturbs the first")
	}
	w.remove("../d2/d2.ini")
	e.gone("d2.ini")
}

func TestDirectoryThatCannotBeReadAtStart(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		prepare func(w *world) string
		want    string
	}{
		"missing":    {func(w *world) string { return w.path("nowhere") }, "no such file or directory"},
		"a file":     {func(w *world) string { w.write("file", ""); return w.path("file") }, "not a directory"},
		"unreadable": {func(w *world) string { _ = os.Mkdir(w.path("locked"), 0o700); return w.path("locked") }, "permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			dir := tt.prepare(w)
			e := w.launch(w.asUser(dir))
			if code := e.wait(); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			if log := e.tail(); !strings.Contains(log, tt.want) || !strings.Contains(log, dir) {
				t.Errorf("the log does not name %q and say %q:\n%s", dir, tt.want, log)
			}
		})
	}
}

// asUser returns an emperor that is not root, so that permissions apply to it.
func (w *world) asUser(args ...string) *exec.Cmd {
	emperor := filepath.Join(w.programs("bin", 0o755), "emperor")
	return w.inside("setpriv", append([]string{"--reuid=4001", "--regid=4001", "--clear-groups", emperor, "--emperor-log-format", "json"}, args...)...)
}

func TestDirectoryThatCannotBeReadLater(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		lose, restore func(dir string) error
	}{
		"moved away": {
			func(dir string) error { return os.Rename(dir, dir+".away") },
			func(dir string) error { return os.Rename(dir+".away", dir) },
		},
		"locked": {
			func(dir string) error { return os.Chmod(dir, 0) },
			func(dir string) error { return os.Chmod(dir, 0o755) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", serves)
			e := w.launch(w.asUser(w.vassals))
			pid := e.running("a.ini")
			if err := tt.lose(w.vassals); err != nil {
				t.Fatal(err)
			}
			e.await("", "cannot read the directory")
			time.Sleep(1500 * time.Millisecond) // a rescan or two
			e.undisturbed("a.ini", pid)
			if err := tt.restore(w.vassals); err != nil {
				t.Fatal(err)
			}
			e.await("", "can be read again")
			if e.barrier(); !alive(pid) {
				t.Error("the vassal stopped when its directory came back")
			}
			e.remove("a.ini")
			e.gone("a.ini")
			e.stop(syscall.SIGTERM)
		})
	}
}

// The same vassal in every format of uWSGI's Emperor, with a template around it.
func TestEveryFormat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("template.ini", ini("exec-as-root = echo the template says $(COLOUR)", "env = NAME=%(name)"))
	for name, text := range map[string]string{
		"a.ini":  ini("command = sleep 1000000", "name = a"),
		"b.yml":  "uwsgi:\n  command: sleep 1000000\n  name: b\n",
		"c.yaml": "uwsgi:\n  command: sleep 1000000\n  name: c\n",
		"d.json": `{"uwsgi": {"command": "sleep 1000000", "name": "d"}}`,
		"e.js":   `{"uwsgi": {"command": "sleep 1000000", "name": "e"}}`,
		"f.xml":  "<uwsgi><command>sleep 1000000</command><name>f</name></uwsgi>",
	} {
		w.write(filepath.Join(w.vassals, name), text)
	}
	e := w.start(allNamespaces, "--vassals-include", w.path("template.ini"), "--vassal-set", "ready-timeout=5")
	for _, name := range []string{"a.ini", "b.yml", "c.yaml", "d.json", "e.js", "f.xml"} {
		e.await(name, "the template says")
		worker := children(e.running(name))
		if len(worker) != 1 {
			t.Fatalf("%s has workers %v", name, worker)
		}
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", worker[0]))
		if err != nil {
			t.Fatal(err)
		}
		if want := "NAME=" + name[:1]; !strings.Contains(string(environ), want) {
			t.Errorf("%s: the worker has no %s in %q", name, want, environ)
		}
	}
}
