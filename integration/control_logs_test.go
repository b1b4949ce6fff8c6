//go:build linux

package integration

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// talks is a command that prints numbered lines as fast as it can, and writes its progress
// into a file.
func talks(progress string) string {
	return `command = sh -c 'i=0; while :; do i=$((i+1)); echo "line $i ` + strings.Repeat("x", 2000) + `"; echo $i >` + progress + `; done'`
}

// keepsTalking fails when a vassal that prints is blocked.
func keepsTalking(t *testing.T, progress string) {
	t.Helper()
	before := number(progress)
	eventually(t, "it goes on", func() bool { return number(progress) > before+300 })
}

func number(file string) int {
	text, _ := os.ReadFile(file)
	n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return n
}

func holds(file, text string) bool {
	all, _ := os.ReadFile(file)
	return bytes.Contains(all, []byte(text))
}

// The level of a line is printed once, in every form of the log.
func TestLevelsAreSaidOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	w.vassal("bad.ini", "command = /nowhere")
	e := w.launch(w.inside(program("emperor"), w.vassals))
	for _, pattern := range []string{
		`^\S+ WARN  a\.ini: \S+a\.ini: uid: missing`, `^\S+ INFO  a\.ini: worker started`, `^\S+ ERROR bad\.ini: vassal: \S+bad\.ini:2: command: cannot run`,
	} {
		want := regexp.MustCompile(pattern)
		eventually(t, "the log holds "+pattern, func() bool {
			for line := range strings.Lines(e.tail()) {
				if want.MatchString(line) {
					return true
				}
			}
			return false
		})
	}
	if twice := regexp.MustCompile(`(?m)^.*(INFO|WARN|ERROR).*: <?(INFO|WARN|ERROR|\d>).*$`).FindString(e.tail()); twice != "" {
		t.Errorf("two levels: %s", twice)
	}
	e.end()
	e = w.start()
	if r := e.await("a.ini", "uid: missing"); r.Level != "WARN" || strings.HasPrefix(r.Msg, "<") {
		t.Errorf("in JSON: %s", r.raw)
	}
}

func TestLogOfAVassalIsAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", "log = "+w.path("%n.log"), "command = sh -c 'n=1; while [ -e "+w.base+" ]; do echo line $n; n=$((n+1)); sleep 0.1; done'")
	e := w.start(allNamespaces)
	e.running("a.ini")
	file := w.path("a.log")
	eventually(t, "the file has lines", func() bool { return holds(file, "line 3\n") })
	if !regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO  worker started`).MatchString(w.run("cat " + file)) {
		t.Errorf("what the vassal says of itself has no time: %s", w.run("cat "+file))
	}
	if e.count("a.ini", "line 3") > 0 {
		t.Error("the emperor's log has the lines as well")
	}
	if out := w.succeed("logs", "a"); !strings.Contains(out, "line 3") {
		t.Errorf("logs: %s", out)
	}
	if mode := strings.TrimSpace(w.run("stat -c %a:%u " + file)); mode != "640:0" {
		t.Errorf("the file is %s", mode)
	}
	// A follower sees the end of a vassal that stops.
	w.vassal("b.ini", "command = sh -c 'echo here is b; exec sleep 1000000'")
	e.running("b.ini")
	follow := sit(t, w.inside(program("emperor"), "logs", "--follow", "b"))
	follow.expect("here is b")
	w.remove("b.ini")
	if code := follow.ended(); code != 0 {
		t.Errorf("logs --follow of a vassal that has gone: exit code %d", code)
	}
	// Rotation, with and without a command to the emperor.
	w.run("mv " + file + " " + file + ".1; emperor=" + program("emperor") + "; $emperor reopen-logs")
	eventually(t, "there is a file again", func() bool { return holds(file, "line ") })
	w.run("mv " + file + " " + file + ".2")
	eventually(t, "there is a file again", func() bool { return holds(file, "line ") })
	all := w.run("cat " + file + ".1 " + file + ".2 " + file + " | grep ^line | awk '$2 != NR { print \"line\", NR, \"is\", $0; exit }'")
	if all != "" {
		t.Errorf("lines got lost: %s", all)
	}
}

// A tenant who replaces a log by a link does not make the emperor write elsewhere.
func TestLogThroughATenantsLinkIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("victim", "secret")
	w.run("mkdir " + w.path("tenant") + "; chown 4001 " + w.path("tenant") + "; ln -s " + w.path("victim") + " " + w.path("tenant/a.log"))
	w.vassal("a.ini", "log = "+w.path("tenant/a.log"), "command = sh -c 'echo a line; exec sleep 1000000'")
	e := w.start()
	e.await("a.ini", "symbolic link")
	e.await("a.ini", "a line")
	if got := w.run("cat " + w.path("victim")); got != "secret" {
		t.Errorf("the victim holds %q", got)
	}
}

func TestFullDiskHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	disk, progress := w.path("disk"), w.path("s/progress")
	w.run("mkdir " + disk + "; mount -t tmpfs -o size=64k tmpfs " + disk)
	t.Cleanup(func() { w.run("umount " + disk) })
	w.vassal("a.ini", "log = "+disk+"/a.log", talks(progress))
	e := w.start()
	e.running("a.ini")
	eventually(t, "the disk is full", func() bool { return strings.TrimSpace(w.run("stat -f -c %a "+disk)) == "0" })
	keepsTalking(t, progress)
	w.run(": >" + disk + "/a.log")
	eventually(t, "the file tells of what was lost", func() bool { return w.run("grep -c 'lines were lost' "+disk+"/a.log || :") != "0\n" })
	e.remove("a.ini")
	e.gone("a.ini")
}

// When the emperor's log is not read, vassals continue, others start, and the emperor stops on
// request.
func TestReaderThatDoesNotReadHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	progress := w.path("s/progress")
	w.vassal("a.ini", talks(progress))
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd := w.inside(program("emperor"), w.vassals)
	cmd.Stderr = write
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	eventually(t, "it talks", func() bool { return number(progress) > 5000 }) // 10 MB: more than all buffers hold
	keepsTalking(t, progress)
	w.vassal("b.ini", serves)
	eventually(t, "another one runs", func() bool { out, _ := w.command("list"); return strings.Count(out, "running") == 2 })
	begin := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the emperor ended with %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// A vassal, or its server, may print after its emperor's death, and survives.
func TestVassalOutlivesItsReader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write("a.ini", ini("cwd = /", "http-socket = 127.0.0.1:8090", "static-map = /=/srv", "log-zero = true"))
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := w.inside(program("vassal"), "--ini", w.path("a.ini"))
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	answers := func() bool {
		return w.run("curl -s -o /dev/null -w %{http_code} http://127.0.0.1:8090/none || :") == "404"
	}
	eventually(t, "it answers", answers)
	read.Close()
	for range 3 { // each is a line of the access log
		if !answers() {
			t.Error("it does not answer any more")
		}
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil { // it prints that it reloads
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	eventually(t, "it answers after a reload", answers)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	if x, ok := err.(*exec.ExitError); ok && x.Sys().(syscall.WaitStatus).Signal() == syscall.SIGPIPE { //nolint:errorlint // it is what Wait returns
		t.Errorf("it ended with %v", err)
	}
}
