//go:build linux

package integration

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// ofFile are the magic variables about a file, and ofProcess the ones about the program
// that reads it.
const (
	ofFile    = "psdnec0123456789oxijOPSDNECXIJv"
	ofProcess = "bVhkuUgG"
)

// magicLine returns a command that writes all magic variables to w's file out/NAME.
func (w *world) magicLine(name string) string {
	var line strings.Builder
	for _, c := range ofFile + ofProcess {
		fmt.Fprintf(&line, "%c=%%%c ", c, c)
	}
	return "echo '" + line.String() + "' >" + w.path("out/"+name)
}

// magicVassals writes a vassal of each kind, which all write their magic variables, and
// returns the names of the files in out.
func (w *world) magicVassals() []string {
	w.run("mkdir -p " + w.path("out") + " " + w.path("far") + " && ln -sfn " + w.vassals + " " + w.path("link"))
	line := w.magicLine
	w.vassal("plain.ini", "exec-as-root = "+line("plain"), "include = "+w.path("common.ini"), "master = true", serves)
	w.write("common.ini", ini("exec-as-root = "+line("common")))
	w.write("v/two.dots.yaml", "uwsgi:\n  exec-as-root: "+line("yaml")+"\n  master: true\n  "+strings.Replace(serves, " =", ":", 1)+"\n")
	w.write("v/short.yml", "uwsgi:\n  exec-as-root: "+line("yml")+"\n  master: true\n  "+strings.Replace(serves, " =", ":", 1)+"\n")
	w.write("v/object.json", `{"uwsgi": {"exec-as-root": "`+line("json")+`", "master": true, "command": "sleep 1000000"}}`)
	w.write("v/element.xml", "<uwsgi><exec-as-root>"+strings.ReplaceAll(line("xml"), ">", "&gt;")+
		"</exec-as-root><master/><command>sleep 1000000</command></uwsgi>")
	w.write("far/real.ini", ini("exec-as-root = "+line("linked"), "master = true", serves))
	w.run("ln -sfn ../far/real.ini " + filepath.Join(w.vassals, "linked.ini"))
	return []string{"plain", "common", "yaml", "yml", "json", "xml", "linked"}
}

// written waits until the vassals have written their variables, returns them by the file in
// out, and removes the files.
func (w *world) written(names []string) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	for _, name := range names {
		path := w.path("out/" + name)
		eventually(w.t, name+" says what its magic variables are", func() bool {
			text, _ := os.ReadFile(path)
			found[name] = string(text)
			return strings.HasSuffix(string(text), "\n")
		})
	}
	return found
}

// at makes cmd start in a directory.
func (w *world) at(dir, name string, args ...string) *exec.Cmd {
	return w.inside("sh", append([]string{"-c", `cd "$0" && exec "$@"`, dir, name}, args...)...)
}

// sameMagic starts uWSGI's own emperor, ours with uWSGI as wrapper, and ours with our vassal,
// each with the same arguments in the same directory, and compares the output of the vassals.
func (w *world) sameMagic(t *testing.T, names []string, args ...string) {
	t.Helper()
	dir := w.base
	stop, _ := w.uwsgiBy(t, w.at(dir, uwsgi, append(slices.Clone(args), "--emperor-freq", "1")...))
	want := w.written(names)
	stop()
	if len(want) == 0 || !strings.Contains(want[names[0]], "/") {
		t.Fatalf("uWSGI says %q", want)
	}
	for who, wrap := range map[string][]string{
		"uWSGI":                          {"--emperor-wrapper", uwsgi},
		"uWSGI in namespaces":            {"--emperor-wrapper", filepath.Base(uwsgi), allNamespaces},
		"our vassal":                     nil,
		"our vassal, with a wrapper too": {"--emperor-wrapper-override", "/nowhere", "--emperor-wrapper-fallback", uwsgi},
	} {
		w.run("rm -f " + w.path("out") + "/*")
		e := w.launch(w.at(dir, program("emperor"), slices.Concat([]string{"--emperor-log-format", "json"}, args, wrap)...))
		got := w.written(names)
		e.stop(syscall.SIGTERM)
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if expect, have := variablesOf(want[name]), variablesOf(got[name]); expect != have && !strings.HasPrefix(who, "our") {
				t.Errorf("%s: %s:\n%s\nwant\n%s", who, name, have, expect)
			} else if expect, have := cutProcess(expect), cutProcess(have); expect != have {
				t.Errorf("%s: %s:\n%s\nwant\n%s", who, name, have, expect)
			}
		}
	}
	w.run("rm -f " + w.path("out") + "/*")
}

func variablesOf(line string) string { return strings.Join(strings.Fields(line), "\n") }

// cutProcess removes the variables that depend on the program.
func cutProcess(variables string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(variables, "\n"), func(v string) bool {
		return strings.Contains(ofProcess, v[:1])
	}), "\n")
}

// TestMagicAsInUwsgi: a file has the same magic variables under uWSGI's emperor, under ours
// with uWSGI in the vassal's place, and in our vassal, with every monitor, in every format and
// as a link, and so have the templates around it.
func TestMagicAsInUwsgi(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	for name, place := range map[string]string{
		"directory": "DIR/v", "relative directory": "v", "spelled directory": "./far/../v/", "linked directory": "link",
		"relative pattern": "./v/*", "pattern": "DIR/v/*", "pattern through a link": "li?k/*.*", "scheme": "glob://v/*",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.sameMagic(t, w.magicVassals(), "--emperor", strings.ReplaceAll(place, "DIR", w.base))
		})
	}
	for name, place := range map[string]string{
		"file": "DIR/v/plain.ini", "relative file": "v/plain.ini", "file through a link": "./link/plain.ini", "file that is a link": "v/linked.ini",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.magicVassals()
			names := []string{"plain", "common"}
			if strings.Contains(place, "linked.ini") {
				names = []string{"linked"}
			}
			w.sameMagic(t, names, "--emperor", strings.ReplaceAll(place, "DIR", w.base))
		})
	}
	for name, place := range map[string]string{"templates": "v", "templates of a pattern": "./v/*"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			names := w.magicVassals()
			for _, option := range []string{"vassals-include-before", "vassals-inherit-before", "vassals-inherit", "vassals-include"} {
				// Each template is written into the directory where its relative name starts.
				text := ini("exec-as-root = " + w.magicLine(option+".%S"))
				for _, dir := range []string{w.base, w.vassals} {
					w.write(filepath.Join(dir, option+".template.ini"), strings.Replace(text, "p=", "in "+filepath.Base(dir)+" p=", 1))
				}
			}
			w.run("rm " + w.vassals + "/*.xml " + w.vassals + "/*.y*ml " + w.vassals + "/*.json " + w.vassals + "/linked.ini")
			names = append(names, "vassals-include.plain.ini", "vassals-inherit.plain.ini", "vassals-include-before.", "vassals-inherit-before.plain.ini")
			args := []string{"--emperor", place}
			for _, option := range []string{"vassals-include-before", "vassals-inherit-before", "vassals-inherit", "vassals-include"} {
				args = append(args, "--"+option, option+".template.ini")
			}
			names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains([]string{"yaml", "yml", "json", "xml", "linked"}, n) })
			w.sameMagic(t, names, args...)
		})
	}
}

// TestMagicOfZergs: reinforcement reads the section zerg of the same file.
func TestMagicOfZergs(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	w := newWorld(t)
	w.write("app.py", peerApp)
	app := "plugin = python3\nmaster = true\nprocesses = 1\nwsgi-file = " + w.path("app.py") + "\n"
	w.write("v/app.ini", "[uwsgi]\nhttp-socket = "+w.path("s/app")+"\nzerg-server = "+w.path("s/zergs")+"\n"+app+
		"[zerg]\nzerg = "+w.path("s/zergs")+"\nexec-as-root = "+w.magicLine("zerg")+"\n"+app)
	w.run("mkdir " + w.path("out"))
	cry := func() string {
		t.Helper()
		var said string
		eventually(t, "there is a zerg", func() bool {
			if response, err := client(w.path("s/app")).Get("http://vassal/sos"); err == nil { // not while uWSGI starts
				response.Body.Close()
			}
			text, _ := os.ReadFile(w.path("out/zerg"))
			said = string(text)
			return strings.HasSuffix(said, "\n")
		})
		w.run("rm " + w.path("out/zerg"))
		return variablesOf(said)
	}
	for place, zerg := range map[string]string{"v": "app.ini:zerg", "./v/*.ini": "./v/app.ini:zerg"} {
		stop, log := w.uwsgiBy(t, w.at(w.base, uwsgi, "--emperor", place, "--emperor-broodlord", "1", "--emperor-freq", "1"))
		want := cry()
		eventually(t, "the zerg runs", func() bool { return strings.Contains(log(), "app.ini:zerg is ready to accept") })
		stop()
		w.run("rm -f " + w.path("out/zerg") + " " + w.path("s") + "/*")
		e := w.launch(w.at(w.base, program("emperor"), "--emperor-log-format", "json", "--emperor-wrapper", uwsgi, "--emperor-broodlord", "1", place))
		got := cry()
		e.running(zerg)
		e.stop(syscall.SIGTERM)
		if got != want || !strings.Contains(got, "x=zerg\n") {
			t.Errorf("%s:\n%s\nwant\n%s", place, got, want)
		}
		w.run("rm -f " + w.path("out/zerg") + " " + w.path("s") + "/*")
	}
}

// TestMagicOnDemand: a connection starts the vassal by the same name.
func TestMagicOnDemand(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("out"))
	w.peer("app.ini", "protocol = http", "socket = fd://0", "exec-as-root = "+w.magicLine("app"))
	knock := func() string {
		t.Helper()
		socket := w.path("s/app.socket")
		eventually(t, "the emperor listens", func() bool { // after it has bound
			c, err := net.Dial("unix", socket)
			if err == nil {
				c.Close()
			}
			return err == nil
		})
		visit(t, socket, "/")
		return variablesOf(w.written([]string{"app"})["app"])
	}
	on := []string{"--emperor", "./v/*.ini", "--emperor-on-demand-directory", w.path("s")}
	stop, _ := w.uwsgiBy(t, w.at(w.base, uwsgi, append(slices.Clone(on), "--emperor-freq", "1")...))
	want := knock()
	stop()
	w.run("rm -f " + w.path("out/app") + " " + w.path("s/app.socket"))
	e := w.launch(w.at(w.base, program("emperor"), append(on, "--emperor-log-format", "json", "--emperor-wrapper", uwsgi)...))
	if got := knock(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	e.stop(syscall.SIGTERM)
}

// TestMagicOfPrinted: the output of an executed file has no names, as in uWSGI, except %o. The
// program does not execute the file again: it gets the output that was read.
func TestMagicOfPrinted(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("out"))
	w.script(filepath.Join(w.vassals, "app.ini"), "echo ran >>"+w.path("runs")+"\ncat <<'END'\n"+ini("exec-as-root = "+w.magicLine("app"), "master = true", "socket = "+w.path("s/app"))+"END")
	on := []string{"--emperor", "./v/*.ini", "--emperor-magic-exec"}
	stop, _ := w.uwsgiBy(t, w.at(w.base, uwsgi, append(slices.Clone(on), "--emperor-freq", "1")...))
	want := variablesOf(w.written([]string{"app"})["app"])
	stop()
	w.run("rm -f " + w.path("out/app") + " " + w.path("runs") + " " + w.path("s/app"))
	e := w.launch(w.at(w.base, program("emperor"), append(on, "--emperor-log-format", "json", "--emperor-wrapper", uwsgi)...))
	got := variablesOf(w.written([]string{"app"})["app"])
	e.running("./v/app.ini")
	if got = strings.Replace(got, "o=emperor://", "o=exec://", 1); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if runs := len(lines(w.path("runs"))); runs != 1 {
		t.Errorf("it ran %d times", runs)
	}
	e.stop(syscall.SIGTERM)
}

// TestWrapperOpensTheRightFile: names that uWSGI would split open no other file, the emperor
// passes files that mounts of hooks hide, and a file that changes between the check and the
// program's read runs in its last version in the end.
func TestWrapperOpensTheRightFile(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	w := newWorld(t)
	w.run("mkdir " + w.path("out") + " " + w.path("empty") + " " + w.path("elsewhere"))
	says := func(name, word string) string { return "exec-as-root = echo " + word + " %n >" + w.path("out/"+name) }
	is := func(name, want string) {
		t.Helper()
		eventually(t, name+" is "+want, func() bool { return strings.Join(lines(w.path("out/"+name)), "") == want })
	}
	w.write("v/victim.ini", "[uwsgi]\nmaster = true\n[foe.ini]\n"+says("colon", "wrong")+"\n")
	w.vassal("victim.ini:foe.ini", "hook-as-root = write:"+w.path("out/colon")+" right %n", "master = true") // no line for a shell
	w.write("v/lure.xml", "<all><uwsgi><master/></uwsgi><uwsgi id=\"foe.xml\"><exec-as-root>echo wrong &gt;"+w.path("out/xml")+"</exec-as-root></uwsgi></all>")
	w.write("v/lure.xml:foe.xml", "<uwsgi id=\"foe.xml\"><exec-as-root>echo right &gt;"+w.path("out/xml")+"</exec-as-root><master/></uwsgi>")
	w.vassal("moved.ini", says("moved", "right"), "master = true", "[emperor]", "place = "+w.path("elsewhere"))
	w.write("elsewhere/moved.ini", ini(says("moved", "wrong")))
	e := w.start("--emperor-wrapper", uwsgi, "--emperor-chdir-attr", "place", "--emperor-throttle", "60000")
	is("colon", "right victim.ini:foe")
	is("moved", "right moved")
	is("xml", "right")
	e.stop(syscall.SIGTERM)

	w.run("rm " + w.vassals + "/* " + w.path("out") + "/*")
	w.vassal("hidden.ini", says("hidden", "right"), "master = true")
	w.vassal("large.ini", "# "+strings.Repeat("x", 1<<16))
	e = w.start(allNamespaces, "--emperor-wrapper", uwsgi, "--hook-as-vassal", "mount:none "+w.path("empty")+" "+w.vassals+" bind")
	is("hidden", "right") // which the emperor gives it: a pushed configuration has no names
	e.await("large.ini", "a program of uWSGI's protocol takes 65535")
	e.stop(syscall.SIGTERM)

	w.run("rm " + w.vassals + "/* " + w.path("out") + "/*")
	w.vassal("late.ini", says("late", "first"), "master = true", "socket = "+w.path("s/late"))
	w.script(w.path("slow"), "echo in between\nwhile test ! -e "+w.path("go")+"; do sleep 0.02; done\nexec "+uwsgi+` "$@"`)
	e = w.start("--emperor-wrapper", w.path("slow"))
	e.await("late.ini", "in between")
	w.vassal("late.ini", says("late", "second"), "master = true", "socket = "+w.path("s/late"))
	w.run("touch " + w.path("go"))
	is("late", "second late")
	e.running("late.ini")
	eventually(t, "the emperor knows which one runs", func() bool {
		s := w.status("late.ini")
		return s.State == "running" && s.Config == s.WantedConfig
	})
	e.stop(syscall.SIGTERM)
}
