package uwsginames

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
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
		if list == options && len(got) != len(want) {
			t.Errorf("there are %d names, uwsgi prints %d", len(got), len(want))
		}
	}
	core := printed(t, program)
	compare(options, core)
	for _, plugin := range []string{"python3", "http", "tuntap", "carbon"} {
		if _, err := os.Stat("/usr/lib/uwsgi/plugins/" + plugin + "_plugin.so"); err != nil {
			continue
		}
		all := printed(t, program, "--plugins", plugin)
		compare(pluginOptions, slices.DeleteFunc(all, func(name string) bool { return slices.Contains(core, name) }))
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
	for name, want := range map[string]Shape{
		"socket": NeedsValue, "master": Flag, "yml": NeedsValue, "abstract-socket": Flag, "log-date": OptionalValue,
		"module": NeedsValue, "no-site": Flag, "psgi": NeedsValue, "xslt-var": NeedsValue, "http-keepalive": OptionalValue,
		"": 0, "sock": 0, "ocket": 0, "socket=": 0, "master\nmax-apps": 0, "app": 0, "Master": 0,
	} {
		if got, known := Lookup(name); got != want || known != (want != 0) {
			t.Errorf("Lookup(%q) = %q, %v, want %q", name, got, known, want)
		}
	}
}

func TestUWSGINamesAreSorted(t *testing.T) {
	for _, list := range []string{options, pluginOptions} {
		if names := strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune("=?\n", r) }); !slices.IsSortedFunc(names, Compare) {
			t.Error("the names are not sorted")
		}
	}
	seen := map[string]bool{}
	for name := range All {
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		if _, known := Lookup(name); !known {
			t.Errorf("%s is not found", name)
		}
	}
}

func TestUWSGILetters(t *testing.T) {
	for pair := range strings.FieldsSeq(letters) {
		letter, name, _ := strings.Cut(pair, "=")
		if _, known := Lookup(name); !known || Letter(letter) != name {
			t.Errorf("-%s: %q is no option of uWSGI's", letter, name)
		}
	}
	if got := Letter("é"); got != "" {
		t.Errorf(`Letter("é") = %q`, got)
	}
}

func TestRemedy(t *testing.T) {
	for name, want := range map[string]string{
		"module": "emperor-wrapper = uwsgi", "tuntap-device": "network = routed", "threads": "processes = N", "cheaper": "idle = TIME ends",
		"cheaper-busyness-max": "idle = TIME and", "chdir2": "chdir = DIR", "touch-exec": "hook-touch = FILE exec:COMMAND", "log-syslog": "log = journal",
		"http-to-https": "redirect-301", "legion-cron": "timer", "legion-lord": "cluster", "namespace": "emperor-use-clone",
		"locks": "no meaning here",
	} {
		if got := Remedy(name); !strings.Contains(got, want) {
			t.Errorf("Remedy(%q) = %q, want %q in it", name, got, want)
		}
	}
}

// TestRemedyOfEach: a full name takes precedence over the beginning of one, the last of which counts.
func TestRemedyOfEach(t *testing.T) {
	for key := range All {
		want := ""
		for name, remedy := range Remedies {
			if name == key {
				want = remedy
				break
			}
			if beginning, more := strings.CutSuffix(name, "*"); more && strings.HasPrefix(key, beginning) {
				want = remedy
			}
		}
		if got := Remedy(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	for _, key := range []string{"", "env", "=", "emperor-wrapper", "#"} {
		if got := Remedy(key); got != "" {
			t.Errorf("%q: %q", key, got)
		}
	}
}

// TestBetween compares with all names.
func TestBetween(t *testing.T) {
	for least := range 30 {
		var want []string
		for name := range All {
			if len(name) >= least && len(name) <= least+3 {
				want = append(want, name)
			}
		}
		if got := slices.Collect(Between(least, least+3)); !slices.Equal(got, want) {
			t.Errorf("from %d: %q, want %q", least, got, want)
		}
	}
}
