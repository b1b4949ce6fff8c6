package output

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emperor-go/emperor/internal/termlog"
)

func TestLevelsOfLines(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "INFO plain false", "<3>bad": "ERROR bad true", "<4>so so": "WARN so so true", "<6>fine": "INFO fine true",
		"<7>x": "DEBUG x true", "<8>x": "INFO <8>x false", "<3": "INFO <3 false", "": "INFO  false", "<6>": "INFO  true",
		"<3v>ours": "ERROR ours true own", "<3v": "INFO <3v false", "<3v<": "INFO <3v< false", "<9v>x": "INFO <9v>x false",
	} {
		l := parse(in)
		got := fmt.Sprint(l.Level, " ", l.Text, " ", l.marked)
		if l.own {
			got += " own"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func texts(lines []Line) string {
	var list []string
	for _, l := range lines {
		list = append(list, fmt.Sprintf("%d:%.8s", l.Number, l.Text))
	}
	return strings.Join(list, " ")
}

func TestLastLinesAreBounded(t *testing.T) {
	var s Store
	for i := range 1000 {
		s.Of("a").add(Line{Text: fmt.Sprint(i)})
	}
	lines := s.Of("a").Last(5000)
	if len(lines) != maxLines || lines[len(lines)-1].Text != "999" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1].Text)
	}
	for range 20 {
		s.Of("b").add(Line{Text: strings.Repeat("x", 4096)})
	}
	if n := len(s.Of("b").Last(100)); n != maxBytes/4096 {
		t.Errorf("%d lines of 4 KiB are kept, want %d", n, maxBytes/4096)
	}
	s.Of("b").add(Line{Text: strings.Repeat("x", 2*maxBytes)})
	if n := len(s.Of("b").Last(100)); n != 1 {
		t.Errorf("%d lines, want the last one, however long it is", n)
	}
	s.Forget("a")
	if got := texts(s.Of("a").Last(9)); got != "" {
		t.Errorf("a forgotten vassal still has %s", got)
	}
}

func TestFollowerThatIsSlowLosesLinesAndIsTold(t *testing.T) {
	var l Log
	l.add(Line{Text: "before"})
	last, next, stop := l.Follow(10)
	if texts(last) != "1:before" {
		t.Errorf("the last lines are %s", texts(last))
	}
	for i := range behind + 7 {
		l.add(Line{Text: fmt.Sprint(i)})
	}
	for range behind {
		<-next
	}
	l.add(Line{Text: "end"})
	if end := <-next; end.Lost != 7 || end.Text != "end" {
		t.Errorf("got %+v, want 7 lost", end)
	}
	stop()
	l.add(Line{Text: "after"})
	select {
	case line := <-next:
		t.Errorf("after the stop: %+v", line)
	default:
	}
}

// A follower of a vassal that is gone gets no more, unless another one of its name came before
// the log was forgotten.
func TestForgottenLogsEnd(t *testing.T) {
	h := &Hub{}
	sink := h.Open(Vassal{Name: "a", Log: slog.New(slog.DiscardHandler)})
	_, next, stop := h.Of("a").Follow(1)
	sink.Line("one")
	h.Forget("a") // this is for an older one
	sink.Line("two")
	for _, want := range []string{"one", "two"} {
		if l := <-next; l.Text != want {
			t.Errorf("got %+v, want %s", l, want)
		}
	}
	log := h.Of("a")
	sink.Close()
	h.Forget("a")
	if l, more := <-next; more {
		t.Errorf("got %+v after the end", l)
	}
	stop()
	if _, next, stop := log.Follow(1); true {
		if _, more := <-next; more {
			t.Error("a forgotten log goes on")
		}
		stop()
	}
}

// hub returns a sink and the emperor's log.
func hub(to string) (*Hub, *Sink, *bytes.Buffer) {
	var log bytes.Buffer
	h := &Hub{}
	logger := slog.New(termlog.New(&log, termlog.Options{Prefix: "vassal"})).With("vassal", "a.ini")
	return h, h.Open(Vassal{Name: "a.ini", UID: uint32(os.Getuid()), To: to, Log: logger}), &log
}

func TestLinesGoToTheEmperorsLog(t *testing.T) {
	h, s, log := hub("")
	s.Line("<4>careful")
	s.Line("plain")
	s.Close()
	if got, want := log.String(), "WARN  a.ini: careful\nINFO  a.ini: plain\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := texts(h.Of("a.ini").Last(9)); got != "1:careful 2:plain" {
		t.Errorf("kept %s", got)
	}
}

func TestFloodLosesItsOwnLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crowded := true
		h, flood, log := hub("")
		h.Crowded = func() bool { return crowded }
		line := strings.Repeat("x", 1023)
		for range 100 {
			flood.Line(line)
		}
		quiet := h.Open(Vassal{Name: "b.ini", Log: slog.New(termlog.New(log, termlog.Options{Prefix: "vassal"})).With("vassal", "b.ini")})
		quiet.Line("here")
		if n := strings.Count(log.String(), line); n != 17 { // 16 kB and the line that exceeds it
			t.Errorf("%d lines of the flood were printed, want 17", n)
		}
		if !strings.Contains(log.String(), "b.ini: here") {
			t.Error("the line of a vassal that prints little was lost")
		}
		if n := len(h.Of("a.ini").Last(99)); n < 30 {
			t.Errorf("its own ring holds %d lines", n)
		}
		log.Reset()
		time.Sleep(time.Hour)
		flood.Line("a second later")
		if got, want := log.String(), "WARN  a.ini: lines of it were lost: it prints more than the log can take lines=83\nINFO  a.ini: a second later\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		crowded = false
		log.Reset()
		for range 100 {
			flood.Line(line)
		}
		if n := strings.Count(log.String(), line); n != 100 {
			t.Errorf("%d lines were printed though there is room, want 100", n)
		}
		crowded = true
		flood.Line(line)
		flood.Close()
		if !strings.HasSuffix(log.String(), "lines=1\n") {
			t.Error("the end does not tell what was lost")
		}
		quiet.Close()
	})
}

func TestFileIsOpenedAgainAfterRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	h, s, log := hub(path)
	wait := func(file, want string) {
		t.Helper()
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			text, _ := os.ReadFile(file)
			if string(text) == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s holds %q, want %q", file, text, want)
			}
		}
	}
	s.Line("one")
	wait(path, "one\n")
	os.Rename(path, path+".1")
	s.Line("two")
	wait(path, "two\n")
	os.Rename(path, path+".2")
	if n, err := h.Reopen(); n != 1 || err != nil {
		t.Errorf("reopened %d files, %v", n, err)
	}
	wait(path, "")
	s.Close()
	if n, err := h.Reopen(); n != 0 || err != nil {
		t.Errorf("after the end: reopened %d files, %v", n, err)
	}
	wait(path+".1", "one\n")
	wait(path+".2", "two\n")
	if log.Len() > 0 {
		t.Errorf("the emperor's log says %q", log.String())
	}
}

// A log file that a tenant prepared is refused, and the lines go to the emperor's log.
func TestFilesThatAreTraps(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	os.WriteFile(victim, []byte("secret"), 0o600)
	os.Mkdir(filepath.Join(dir, "real"), 0o755)
	os.Symlink(victim, filepath.Join(dir, "link"))
	os.Symlink(filepath.Join(dir, "real"), filepath.Join(dir, "linked"))
	os.Link(victim, filepath.Join(dir, "hard"))
	for _, tt := range []struct{ path, want string }{
		{"link", "symbolic link"},
		{"linked/a.log", "symbolic link"},
		{"hard", "2 names"},
		{"real", "is a directory"},
		{"none/a.log", "no such file"},
	} {
		_, s, log := hub(filepath.Join(dir, tt.path))
		s.Line("said")
		s.Close()
		if !strings.Contains(log.String(), tt.want) || !strings.Contains(log.String(), "INFO  a.ini: said") {
			t.Errorf("%s: the emperor's log says %q, want %q and the line", tt.path, log.String(), tt.want)
		}
	}
	if text, _ := os.ReadFile(victim); string(text) != "secret" {
		t.Errorf("the victim holds %q", text)
	}
}

func TestOwnLinesInAFileHaveTimeAndLevel(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	if got, want := string(fileLine(Line{Time: at, Level: slog.LevelWarn, Text: "x", marked: true})), "2026-01-02 03:04:05.006 WARN  x\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := string(fileLine(Line{Time: at, Text: `1.2.3.4 "GET /"`})); got != "1.2.3.4 \"GET /\"\n" {
		t.Errorf("got %q", got)
	}
}

// The output of a vassal's program before our warning about its end may be the reason.
func TestLastLineBeforeAWarning(t *testing.T) {
	var h Hub
	s := h.Open(Vassal{Name: "a", Log: slog.New(slog.DiscardHandler)})
	defer s.Close()
	for _, line := range []string{
		"<6v>worker started", "<3>ImportError: a", " ", "--------", `INFO: 10.0.0.1:4 - "GET / HTTP/1.1" 200 OK`, `10.0.0.1 - - [30/Nov/2026] "GET /a b HTTP/2" 200`, "<4v>the worker died exit status 1", "silent before", "<4v>more",
		"<4v>the worker died exit status 2", "<6v>worker started", "hello",
	} {
		s.Line(line)
	}
	for about, want := range map[string]string{"exit status 1": "ImportError: a", "exit status 2": "", "more": "silent before", "other": ""} {
		if got := h.Of("a").Before(about); got != want {
			t.Errorf("before %q: %q, want %q", about, got, want)
		}
	}
	if s.Last() != "hello" {
		t.Errorf("the last is %q", s.Last())
	}
}

// A file with a maximum size is renamed, and a logger of syslog gets the lines with their levels.
func TestLoggersOfAVassal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	_, s, log := hub("file:logfile=" + path + ",maxsize=5000,backupname=" + path + ".old")
	s.Line(strings.Repeat("x", 6000))
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if info, err := os.Stat(path); err == nil && info.Size() > 6000 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the line is not in the file")
		}
	}
	s.Line("fresh")
	s.Close()
	if text, err := os.ReadFile(path); string(text) != "fresh\n" {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Stat(path + ".old"); err != nil || info.Size() != 6001 {
		t.Errorf("%v, %v", info, err)
	}

	socket := filepath.Join(dir, "socket")
	reader, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	_, s, _ = hub("socket:" + socket)
	s.Line("<4>careful")
	s.Close()
	_ = reader.SetReadDeadline(time.Now().Add(10 * time.Second))
	text := make([]byte, 100)
	if n, err := reader.Read(text); err != nil || string(text[:n]) != "careful" {
		t.Errorf("got %q, %v", text[:n], err)
	}
	if log.Len() > 0 {
		t.Errorf("the emperor's log says %q", log.String())
	}
	_, s, log = hub("socket:" + socket + ".none")
	s.Line("hello")
	s.Close()
	if got := log.String(); !strings.Contains(got, "its output goes to this log instead") || !strings.Contains(got, "INFO  a.ini: hello") {
		t.Errorf("the emperor's log says %q", got)
	}
}
