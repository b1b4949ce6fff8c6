package webserver

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/internal/logger"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// changing are the parts of known formats that differ in each test.
var changing = regexp.MustCompile(`("time":")[-0-9T:+Z]{20,25}(")|("micros":|"pid":)\d+|\d\d/[A-Z][a-z]{2}/20\d\d:[0-9:]{8} [-+]\d{4}`)

func TestAccessLog(t *testing.T) {
	files := tree(t, map[string]string{"a": "12345", "empty": ""})
	for name, c := range map[string]struct {
		log  serving.Log
		want string // all lines, joined by |
	}{
		"variables": {
			serving.Log{Format: `%(method) %(uri) %(proto) %(status) %(rsize) "%(referer)" "%(uagent)" %(host) %(user) %(var.HTTP_X) %(nosuch) 100%`},
			`GET /a?q HTTP/1.1 200 5 "-" "a\x22b\x5c" h - v - 100%|GET /none HTTP/1.1 404 10 "-" "a\x22b\x5c" h - v - 100%|GET /empty HTTP/1.1 200 0 "-" "a\x22b\x5c" h - v - 100%`,
		},
		"x-forwarded-for": {serving.Log{Format: "%(addr)", ForwardedFor: true}, "10.9.8.7|10.9.8.7|10.9.8.7"},
		"address":         {serving.Log{Format: "%(addr)"}, "127.0.0.1|127.0.0.1|127.0.0.1"},
		"disabled":        {serving.Log{Format: "%(uri)", Disabled: true}, ""},
		"only 4xx":        {serving.Log{Format: "%(uri)", Disabled: true, Log4xx: true}, "/none"},
		"only 5xx":        {serving.Log{Format: "%(uri)", Disabled: true, Log5xx: true}, ""},
		"only empty":      {serving.Log{Format: "%(uri)", Disabled: true, Zero: true}, "/empty"},
		"only big":        {serving.Log{Format: "%(uri)", Disabled: true, Big: 6}, "/none"},
		"only slow":       {serving.Log{Format: "%(uri)", Disabled: true, Slow: time.Hour}, ""},
		"dates":           {serving.Log{Format: "%(ftime)", Date: "%%"}, "%|%|%"},
		"json":            {serving.Log{Format: "json", Disabled: true, Zero: true}, `{"time":"T","addr":"127.0.0.1","user":"","method":"GET","uri":"/empty","proto":"HTTP/1.1","host":"h","status":200,"size":0,"micros":N,"referer":"","uagent":"a\"b\\","pid":N}`},
		"combined":        {serving.Log{Format: "combined", Disabled: true, Zero: true}, `127.0.0.1 - - [T] "GET /empty HTTP/1.1" 200 0 "-" "a\x22b\x5c"`},
		"common":          {serving.Log{Format: "common", Disabled: true, Zero: true}, `127.0.0.1 - - [T] "GET /empty HTTP/1.1" 200 0`},
		"strftime":        {serving.Log{Format: "%%-%(status)", Strftime: true}, "%-200|%-404|%-200"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, serving.Options{CheckStatic: []string{files}, Log: c.log})
			for _, path := range []string{"/a?q", "/none", "/empty"} {
				s.get(path, "User-Agent", `a"b\`, "X", "v", "X-Forwarded-For", "1.1.1.1, 10.9.8.7", "Host", "h")
			}
			s.end()
			got := strings.ReplaceAll(strings.TrimSuffix(s.access.String(), "\n"), "\n", "|")
			got = strings.ReplaceAll(got, s.addr["http-socket"], "h")
			got = strings.ReplaceAll(got, " 404 10 ", " 404 N ")
			got = changing.ReplaceAllString(got, "${1}${2}${3}")
			got = strings.NewReplacer(`"time":""`, `"time":"T"`, `"micros":`, `"micros":N`, `"pid":`, `"pid":N`, "[]", "[T]").Replace(got)
			// The lines of different connections have no order.
			if want := strings.ReplaceAll(c.want, " 404 10 ", " 404 N "); !slices.Equal(sortedParts(got), sortedParts(want)) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestOwnLogLine(t *testing.T) {
	s := start(t, serving.Options{CheckStatic: []string{tree(t, map[string]string{"a": "12345"})}})
	s.get("/a")
	s.end()
	if got := s.access.String(); !strings.Contains(got, "] GET /a => generated 5 bytes in ") || !strings.Contains(got, " msecs (HTTP/1.1 200) ") {
		t.Errorf("%q", got)
	}
}

// Requests have a file of their own, which follows its name. Where it cannot be opened
// they are on standard error, and the log has the reason.
func TestRequestsInAFile(t *testing.T) {
	files := tree(t, map[string]string{"a": "12345"})
	path := filepath.Join(t.TempDir(), "requests.log")
	s := start(t, serving.Options{CheckStatic: []string{files}, Log: serving.Log{Format: "%(uri)", To: logger.Logger{Path: path}}})
	s.get("/a?1")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if text, _ := os.ReadFile(path); string(text) == "/a?1\n" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the line is not in the file")
		}
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	s.get("/a?2")
	s.end()
	if text, err := os.ReadFile(path); string(text) != "/a?2\n" || s.access.String() != "" {
		t.Errorf("the file has %q, standard error %q: %v", text, s.access, err)
	}
	s = start(t, serving.Options{CheckStatic: []string{files}, Log: serving.Log{Format: "%(uri)", To: logger.Logger{Path: filepath.Join(path, "no")}}})
	s.get("/a?3")
	s.end()
	if s.access.String() != "/a?3\n" || strings.Count(s.log.String(), "req-logger: ") != 1 {
		t.Errorf("standard error has %q, the log %q", s.access, s.log)
	}
}

func TestLogFormatThatIsNotClosed(t *testing.T) {
	if _, err := newAccessLog(serving.Log{Format: "%(uri"}, io.Discard); err == nil {
		t.Error("taken")
	}
}

func TestStrftime(t *testing.T) {
	at := time.Date(2013, 8, 4, 9, 5, 7, 0, time.FixedZone("CET", 3600))
	for format, want := range map[string]string{
		commonDate: "04/Aug/2013:09:05:07 +0100", "%Y-%m-%d %H:%M:%S": "2013-08-04 09:05:07", "%a %A %b %B %e %I %p %y %Z": "Sun Sunday Aug August  4 09 AM 13 CET",
		"%s %u %w %j": "1375603507 7 0 216", "%F %T %D %R": "2013-08-04 09:05:07 08/04/13 09:05", "100%% %Q %": "100% %Q %",
	} {
		if got := string(strftime(nil, format, at)); got != want {
			t.Errorf("%q: %q, want %q", format, got, want)
		}
	}
}

// The server's memory and its number among the workers are known.
func TestLogOfTheProcess(t *testing.T) {
	s := start(t, serving.Options{CheckStatic: []string{tree(t, map[string]string{"a": ""})}, Log: serving.Log{Format: "%(rss) %(vsz) %(rssM) %(vszM) %(wid)"}})
	s.get("/a")
	s.end()
	var rss, vsz, rssM, vszM, wid int64
	if _, err := fmt.Sscanf(s.access.String(), "%d %d %d %d %d\n", &rss, &vsz, &rssM, &vszM, &wid); err != nil {
		t.Fatalf("%q: %v", s.access, err)
	}
	// Each variable is a reading of its own, and the process may grow in between.
	if grown := rssM - rss>>20; rss < 1<<20 || vsz < rss || grown < -1 || grown > 1 || vszM < rssM || wid != 1 {
		t.Errorf("%q", s.access)
	}
}

// TestLogOfHostileBytes: only printable text is written unescaped.
func TestLogOfHostileBytes(t *testing.T) {
	for text, want := range map[string]string{
		"/ä/€/😀 x":           "/ä/€/😀 x",
		"\x1b[31m\r\n\t":     `\x1b[31m\x0d\x0a\x09`,
		"\"\\\x7f\x00":       `\x22\x5c\x7f\x00`,
		"\x9b31m\xff\xc3":    `\x9b31m\xff\xc3`,
		"\u009b\u2028\u202e": `\xc2\x9b\xe2\x80\xa8\xe2\x80\xae`,
		"\ufffd":             "\ufffd",
	} {
		if got := string(appendSafe(nil, text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// Requests go to a socket, as lines or as messages of syslog. While no program reads there, they
// are on standard error, and the log says so once.
func TestRequestsToASocket(t *testing.T) {
	files := tree(t, map[string]string{"a": "12345"})
	path := filepath.Join(t.TempDir(), "log")
	to := logger.Logger{Network: "unixgram", Address: path, Syslog: true, Facility: 3, Ident: "shop"}
	log := serving.Options{CheckStatic: []string{files}, Log: serving.Log{Format: "%(uri)", To: to}}
	s := start(t, log)
	s.get("/a?1")
	s.get("/a?2")
	s.end()
	if s.access.String() != "/a?1\n/a?2\n" || strings.Count(s.log.String(), "req-logger: ") != 1 {
		t.Errorf("standard error has %q, the log %q", s.access, s.log)
	}
	reader, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	s = start(t, log)
	s.get("/a?3")
	_ = reader.SetReadDeadline(time.Now().Add(10 * time.Second))
	text := make([]byte, 1024)
	n, err := reader.Read(text)
	if err != nil || !strings.HasPrefix(string(text[:n]), "<30>") || !strings.HasSuffix(string(text[:n]), " shop: /a?3") {
		t.Errorf("got %q, %v", text[:n], err)
	}
	s.end()
	if s.access.String() != "" {
		t.Errorf("standard error has %q", s.access)
	}
}

// A file that is too large is renamed, also when several workers write to it, and has all lines.
func TestRequestsInAFileThatIsRenamed(t *testing.T) {
	files := tree(t, map[string]string{"a": "12345"})
	path := filepath.Join(t.TempDir(), "requests.log")
	options := serving.Options{CheckStatic: []string{files}, Log: serving.Log{Format: "%(uri) " + strings.Repeat("x", 1000), To: logger.Logger{Path: path, MaxSize: 10_000}}}
	one, two := start(t, options), start(t, options)
	for i := range 50 {
		one.get(fmt.Sprintf("/a?1-%d", i))
		two.get(fmt.Sprintf("/a?2-%d", i))
	}
	one.end()
	two.end()
	paths, _ := filepath.Glob(path + "*")
	lines := 0
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 10_000+2*requestsPending {
			t.Errorf("%s has %d bytes", p, len(text))
		}
		lines += strings.Count(string(text), "/a?")
	}
	if lines != 100 || len(paths) < 3 {
		t.Errorf("%d files have %d lines, want 100", len(paths), lines)
	}
}

func sortedParts(lines string) []string { return slices.Sorted(strings.SplitSeq(lines, "|")) }
