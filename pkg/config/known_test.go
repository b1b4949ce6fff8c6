package config

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/generated"
)

// TestUWSGIOptionsAreCurrent compares the names with the output of the installed uwsgi.
// EMPEROR_FIX_DOCS does not correct it, because the output does not show whether an option
// needs a value.
func TestUWSGIOptionsAreCurrent(t *testing.T) {
	program, err := exec.LookPath("uwsgi")
	if err != nil {
		t.Skip("there is no uwsgi to compare with")
	}
	version, err := exec.Command(program, "--version").Output()
	if err != nil || !bytes.HasPrefix(version, []byte("2.0.21")) {
		t.Skipf("uwsgi is version %q, not 2.0.21 (%v)", bytes.TrimSpace(version), err)
	}
	compare := func(list string, want []string) {
		t.Helper()
		got := strings.Fields(strings.NewReplacer("=\n", "\n", "?\n", "\n").Replace(list))
		for _, name := range want {
			if !slices.Contains(got, name) {
				t.Errorf("%s is missing", name)
			}
		}
		if list == uwsgiOptions && len(got) != len(want) {
			t.Errorf("there are %d names, uwsgi prints %d", len(got), len(want))
		}
	}
	core := printed(t, program)
	compare(uwsgiOptions, core)
	for _, plugin := range []string{"python3", "http", "tuntap", "carbon"} {
		if _, err := os.Stat("/usr/lib/uwsgi/plugins/" + plugin + "_plugin.so"); err != nil {
			continue
		}
		all := printed(t, program, "--plugins", plugin)
		compare(uwsgiPluginOptions, slices.DeleteFunc(all, func(name string) bool { return slices.Contains(core, name) }))
	}
}

// printed lists the options of `uwsgi --help`.
func printed(t *testing.T, program string, args ...string) []string {
	t.Helper()
	out, err := exec.Command(program, append(args, "--help")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		if _, name, ok := strings.Cut(line, "--"); ok && strings.HasPrefix(line, "    -") {
			names = append(names, strings.Fields(name)[0])
		}
	}
	return names
}

func TestUWSGIKnows(t *testing.T) {
	for name, want := range map[string]shape{
		"socket": needs, "master": flag, "yml": needs, "abstract-socket": flag, "log-date": optional,
		"module": needs, "no-site": flag, "psgi": needs, "xslt-var": needs, "http-keepalive": optional,
		"": 0, "sock": 0, "ocket": 0, "socket=": 0, "master\nmax-apps": 0, "app": 0, "Master": 0,
	} {
		if got, known := uwsgiKnows(name); got != want || known != (want != 0) {
			t.Errorf("uwsgiKnows(%q) = %q, %v, want %q", name, got, known, want)
		}
	}
}

func TestUWSGINamesAreSorted(t *testing.T) {
	for _, list := range []string{uwsgiOptions, uwsgiPluginOptions} {
		if names := strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune("=?\n", r) }); !slices.IsSorted(names) {
			t.Error("the names are not sorted")
		}
	}
	seen := map[string]bool{}
	for name := range uwsgiNames {
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		if _, known := uwsgiKnows(name); !known {
			t.Errorf("%s is not found", name)
		}
	}
}

// TestUWSGINamesOfOurs: a row with a name of uWSGI's takes a value if uWSGI's option does;
// otherwise command lines would have another meaning here.
func TestUWSGINamesOfOurs(t *testing.T) {
	same := func(name string, ours shape) {
		if theirs, known := uwsgiKnows(name); known && theirs != ours {
			t.Errorf("%s: uWSGI's is of shape %q, ours of %q", name, theirs, ours)
		}
	}
	for o := range emperorOptions.all {
		same(o.Name, shapeOf(o))
	}
	for o := range vassalOptions.all {
		same(o.Name, shapeOf(o))
	}
}

func TestUWSGILetters(t *testing.T) {
	for pair := range strings.FieldsSeq(uwsgiShort) {
		letter, name, _ := strings.Cut(pair, "=")
		if _, known := uwsgiKnows(name); !known || longName(letter) != name {
			t.Errorf("-%s: %q is no option of uWSGI's", letter, name)
		}
	}
	if got := longName("é"); got != "" {
		t.Errorf(`longName("é") = %q`, got)
	}
}

// TestInstead: advice exists only for options that uWSGI has and we do not.
func TestInstead(t *testing.T) {
	for name, want := range map[string]string{
		"module": "emperor-wrapper = uwsgi", "psgi": "command = ", "rack": "command = ", "wsgi-file": "command = ",
		"tuntap-device": "veth", "autoload": "drop the line", "py-autoreload": "command = ", "https2": "https = ", "threads": "processes = N", "max-requests": "reload-on-rss", "cheaper": "idle = TIME", "offload-threads": "drop the line",
		"log-route": "log = FILE", "log-req-route": "log-format", "cron": "timer", "master-fifo": "emperor reload", "post-buffering": "limit-post",
		"manage-script-name": "rewrite", "memory-report": "emperor list", "logfile-chown": "vassal's user", "fastrouter": "socket = ", "http-raw-body": "drop the line",
		"http-manage-rtsp": "http = ADDRESS", "error-route-run": "error-page-404",
	} {
		if got := instead(name); !strings.Contains(got, want) {
			t.Errorf("instead(%q) = %q, want %q in it", name, got, want)
		}
	}
	for _, name := range slices.Concat(slices.Collect(emperorOptions.names), slices.Collect(vassalOptions.names)) {
		if got := instead(name); got != "" {
			t.Errorf("instead(%q) = %q, and it is an option", name, got)
		}
	}
}

func TestNearest(t *testing.T) {
	for key, want := range map[string]string{
		"proesses": "processes", "process": "processes", "chomd-socket": "chmod-socket", "single-intepreter": "single-interpreter",
		"no-orphan": "no-orphans", "htpp-socket": "http-socket", "gdi": "gid", "pid": "", "url": "", "thread": "threads", "vaccum": "vacuum",
		"domain": "", "project": "", "xy": "", "wholly-different": "", strings.Repeat("x", 5000): "",
	} {
		got := similar(key, uwsgiNames)
		if want == "" && got != nil || want != "" && !slices.Contains(got, want) {
			t.Errorf("nearest(%.20q) = %q, want %q", key, got, want)
		}
	}
}

// TestEmperorNamesDocumentIsCurrent keeps the list of the emperor's options.
func TestEmperorNamesDocumentIsCurrent(t *testing.T) {
	generated.Current(t, "emperor_names.txt", func(w io.Writer) error {
		_, err := io.WriteString(w, strings.Join(slices.Sorted(emperorOptions.names), "\n")+"\n")
		return err
	})
}
