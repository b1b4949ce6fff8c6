package webserver

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

func TestCommandLine(t *testing.T) {
	var c Config
	err := parseArgs([]string{
		"--http-socket", filepath.Join(t.TempDir(), "s"), "--static-map", "/=/srv", "--cgi=/usr/lib/cgi-bin", "--need-app", "--http-keepalive",
		"--route", "^/x break:403", "--socket-timeout", "5", "--log-4xx=no",
	}, &c)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Sockets) != 1 {
		t.Errorf("sockets %v", c.Sockets)
	}
	c.Options.Written = nil
	want := serving.Options{
		StaticMaps: []serving.Map{{Mount: "/", Dir: "/srv"}}, CGI: []serving.Map{{Mount: "/", Dir: "/usr/lib/cgi-bin"}}, NeedApp: true,
		Routes: []serving.Route{{Subject: "path-info", Pattern: "^/x", Action: "break", Arg: "403", Origin: "command line"}}, SocketTimeout: 5 * time.Second,
	}
	if !reflect.DeepEqual(c.Options, want) {
		t.Errorf("got  %+v\nwant %+v", c.Options, want)
	}
}

func TestCommandLineRefuses(t *testing.T) {
	for line, want := range map[string]string{
		"--frob x":              "unknown option --frob",
		"static-map /=/srv":     "unknown option static-map",
		"--static-map":          "--static-map needs a value",
		"--static-map /srv":     `--static-map: "/srv" is not a mapping`,
		"--http-socket :x":      "--http-socket: ",
		"--route-run frob:x":    "--route-run: unknown action",
		"--socket-timeout=0":    "--socket-timeout: the time must not be zero",
		"--cgi /a=/b --limit-p": "unknown option --limit-p",
	} {
		if err := parseArgs(strings.Fields(line), &Config{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

// TestReport: an error is printed once, by the master where there is one.
func TestReport(t *testing.T) {
	startupError, master, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var alone, below strings.Builder
	mistake := errors.New("cannot serve")
	if code := reportEnd(&below, master, mistake); code != exitFailed || below.Len() != 0 {
		t.Errorf("below a master: %d, %q", code, below.String())
	}
	_ = master.Close()
	if told, err := io.ReadAll(startupError); err != nil || string(told) != mistake.Error() {
		t.Errorf("the master reads %q, %v", told, err)
	}
	for _, none := range []*os.File{nil, master} {
		alone.Reset()
		if code := reportEnd(&alone, none, mistake); code != exitFailed || !strings.Contains(alone.String(), mistake.Error()) {
			t.Errorf("alone: %d, %q", code, alone.String())
		}
	}
}

func TestAddressThatCannotBeHad(t *testing.T) {
	for address, usage := range map[string]bool{"": true, filepath.Join(t.TempDir(), "none", "s"): false} {
		err := parseArgs([]string{"--http-socket=" + address}, &Config{})
		var mistake usageError
		if err == nil || errors.As(err, &mistake) != usage {
			t.Errorf("%q: %v, want a mistake of the command line: %v", address, err, usage)
		}
	}
}
