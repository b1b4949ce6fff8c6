package listenfds

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestParse: sockets for this process are used, for another process they are not, and malformed values
// are errors.
func TestParse(t *testing.T) {
	const own = 42
	for name, tt := range map[string]struct {
		count, names, pid string
		want              []string
		err               string
	}{
		"nothing":                      {},
		"without a count":              {names: "a", pid: "42"},
		"none":                         {count: "0", names: "a"},
		"for this process":             {count: "2", names: "http-socket:stats", pid: "42", want: []string{"http-socket", "stats"}},
		"for its reader":               {count: "1", names: "stats", want: []string{"stats"}},
		"for another process":          {count: "1", names: "stats", pid: "41"},
		"another process's nonsense":   {count: "many", pid: "41"},
		"without names":                {count: "2", want: []string{"socket", "socket"}},
		"with some names":              {count: "3", names: "unknown::stats:more", want: []string{"socket", "socket", "stats"}},
		"no number":                    {count: "many", err: `cannot use LISTEN_FDS="many": not a number`},
		"a negative number":            {count: "-1", pid: "42", err: `cannot use LISTEN_FDS="-1": not a number`},
		"a number with space":          {count: " 1", err: `cannot use LISTEN_FDS=" 1": not a number`},
		"too many":                     {count: "1025", err: `cannot use LISTEN_FDS="1025": more than 1024`},
		"a process that is no number":  {count: "1", pid: "self", err: `cannot use LISTEN_PID="self": not a number`},
		"a process, beyond any number": {count: "1", pid: "99999999999999999999", err: `cannot use LISTEN_PID="99999999999999999999": not a number`},
	} {
		got, err := parse(tt.count, tt.names, tt.pid, own)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if !slices.Equal(got, tt.want) || text != tt.err {
			t.Errorf("%s: %q, %q; want %q, %q", name, got, text, tt.want, tt.err)
		}
	}
}

// Take understands Variables, once.
func TestTake(t *testing.T) {
	for _, pid := range []int{0, os.Getpid()} {
		for _, v := range Variables([]string{"a", "b"}, pid) {
			key, value, _ := strings.Cut(v, "=")
			t.Setenv(key, value)
		}
		if err := ForThisProcess(); err != nil || os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
			t.Errorf("%v: LISTEN_PID is %q", err, os.Getenv("LISTEN_PID"))
		}
		if got, err := Take(); err != nil || !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("%q, %v", got, err)
		}
		if got, err := Take(); err != nil || got != nil || os.Getenv("LISTEN_PID") != "" {
			t.Errorf("a second time: %q, %v", got, err)
		}
	}
	if err := ForThisProcess(); err != nil || os.Getenv("LISTEN_PID") != "" {
		t.Errorf("without sockets LISTEN_PID is set; %v", err)
	}
}
