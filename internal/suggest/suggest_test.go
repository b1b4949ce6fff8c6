package suggest

import (
	"slices"
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
	long := strings.Repeat("x", Longest)
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "ab", 2},
		{"ab", "", 2},
		{"uid", "uid", 0},
		{"uid", "gid", 1},
		{"uid", "udi", 1},
		{"ca", "abc", 3},
		{"proesses", "processes", 1},
		{"chomd", "chmod", 1},
		{"abcdef", "badcfe", 3},
		{long, long[1:], 1},
		{long, "", Longest},
		{long, strings.Repeat("y", Longest), Longest},
		{long + "x", long + "x", Longest + 1},
	} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%.20q, %.20q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := Distance(c.b, c.a); got != c.want {
			t.Errorf("distance(%.20q, %.20q) = %d, want %d", c.b, c.a, got, c.want)
		}
	}
}

func TestNear(t *testing.T) {
	names := []string{"threads", "thread-stack", "uid", "gid", "socket", "sockets", "rocket", "pocket", "exec", "exit", "exec"}
	for word, want := range map[string]string{
		"thread": "threads", "htread": "threads", "udi": "uid", "pid": "uid gid", "ex": "", "exce": "exec",
		"docket": "socket rocket pocket", "sockt": "socket sockets rocket", "wholly-different": "", strings.Repeat("x", 5000): "",
	} {
		if got := strings.Join(Near(word, slices.Values(names)), " "); got != want {
			t.Errorf("near(%.20q) = %q, want %q", word, got, want)
		}
	}
}

func TestQuestion(t *testing.T) {
	for want, got := range map[string]string{
		"":                         Question("--"),
		"did you mean a?":          Question("", "a"),
		"did you mean --a or --b?": Question("--", "a", "b"),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func FuzzDistance(f *testing.F) {
	f.Add("chomd", "chmod")
	f.Fuzz(func(t *testing.T, a, b string) {
		d := Distance(a, b)
		if d != Distance(b, a) || len(a) <= Longest && len(b) <= Longest && (d == 0) != (a == b) || d > max(len(a), len(b)) || d < len(a)-len(b) {
			t.Errorf("distance(%q, %q) = %d", a, b, d)
		}
	})
}
