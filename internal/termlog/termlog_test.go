package termlog

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

func TestLine(t *testing.T) {
	tests := []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"message", func(l *slog.Logger) { l.Info("up") }, "INFO  up\n"},
		{"prefix from With", func(l *slog.Logger) { l.With("vassal", "a.ini").Warn("x", "pid", 7) }, "WARN  a.ini: x pid=7\n"},
		{"prefix from the record", func(l *slog.Logger) { l.Error("x", "vassal", "a.ini") }, "ERROR a.ini: x\n"},
		{"no prefix inside a group", func(l *slog.Logger) { l.WithGroup("g").Info("x", "vassal", "a.ini") }, "INFO  x g.vassal=a.ini\n"},
		{"values that need quotes", func(l *slog.Logger) { l.Info("x", "a", "b c", "d", "", "e", errors.New(`f"g`)) }, "INFO  x a=\"b c\" d=\"\" e=\"f\\\"g\"\n"},
		{"a tenant's escape sequence", func(l *slog.Logger) { l.With("vassal", "a\n.ini").Info("\x1b[2J\xffé") }, "INFO  a\\n.ini: \\x1b[2J\\xffé\n"},
		{"duration", func(l *slog.Logger) { l.Info("x", "took", 3*time.Second) }, "INFO  x took=3s\n"},
		{"below the level", func(l *slog.Logger) { l.Debug("x") }, ""},
	}
	for _, tt := range tests {
		var b bytes.Buffer
		tt.log(slog.New(New(&b, Options{Prefix: "vassal"})))
		if b.String() != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, b.String(), tt.want)
		}
	}
}

func TestTimeIsPrintedWhenAsked(t *testing.T) {
	var b bytes.Buffer
	slog.New(New(&b, Options{Time: true})).Info("up")
	if _, err := time.Parse("15:04:05.000", strings.Fields(b.String())[0]); err != nil {
		t.Errorf("line %q does not start with a time: %v", b.String(), err)
	}
}

// The handler passes slog's own conformance test.
func TestHandlerContract(t *testing.T) {
	var b bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		b.Reset()
		return New(&b, Options{Time: true})
	}, func(*testing.T) map[string]any { return parse(b.String()) })
}

// parse reads a line back into the nested map that slogtest expects.
func parse(line string) map[string]any {
	m := map[string]any{}
	words := strings.Fields(line)
	if _, err := time.Parse("15:04:05.000", words[0]); err == nil {
		m[slog.TimeKey] = words[0]
		words = words[1:]
	}
	m[slog.LevelKey], m[slog.MessageKey] = words[0], words[1]
	for _, word := range words[2:] {
		key, value, _ := strings.Cut(word, "=")
		at := m
		path := strings.Split(key, ".")
		for _, g := range path[:len(path)-1] {
			if at[g] == nil {
				at[g] = map[string]any{}
			}
			at = at[g].(map[string]any)
		}
		at[path[len(path)-1]] = value
	}
	return m
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	tests := []struct {
		name, in string
		limit    int64
		want     []string
	}{
		{"lines", "a\nb\r\n\nc", 0, []string{"a", "b", "", "c"}},
		{"nothing", "", 0, nil},
		{"a long line comes in pieces", long + "yz\n", 0, []string{long, "yz"}},
		{"empty lines count", strings.Repeat("\n", 9), lineCost + 1, []string{"", "", "(7 more bytes of output are not logged)"}},
		{"more than the limit is counted", "aaaa\nbbbb\ncccc\n", 2 * lineCost, []string{"aaaa", "bbbb", "(5 more bytes of output are not logged)"}},
	}
	for _, tt := range tests {
		var got []string
		Lines(strings.NewReader(tt.in), tt.limit, func(l string) { got = append(got, l) })
		if strings.Join(got, "|") != strings.Join(tt.want, "|") {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The journal knows the levels <N> of sd-daemon(3) and no others.
func TestMarksForTheJournal(t *testing.T) {
	var printed bytes.Buffer
	log := slog.New(New(&printed, Options{Marks: true, Level: slog.LevelDebug}))
	log.Error("a")
	log.Warn("b", "n", 1)
	log.Info("c")
	log.Debug("d")
	if want := "<3>a\n<4>b n=1\n<6>c\n<7>d\n"; printed.String() != want {
		t.Errorf("got %q, want %q", printed.String(), want)
	}
}
