//go:build linux

package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Each exit code in the help is what the programs return, in each case that the help names.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("a.ini", serves)
	w.vassal("held.ini", serves)
	w.write(w.path("bad.ini"), ini("sokcet = 1"))
	w.write(w.path("own.ini"), "[emperor]\nemperor-throttle = never\n")
	e := w.start(allNamespaces)
	e.running("a.ini")
	e.running("held.ini")
	w.succeed("stop", "--wait", "held")
	cases := map[string][]string{
		"0":   {"emperor --version", "emperor help", "emperor list", "emperor status a", "emperor check $v/a.ini", "emperor wait a", "emperor enter a true"},
		"1":   {"emperor check $b/bad.ini", "emperor config $b/bad.ini", "emperor wait --for gone --timeout 50ms a", "emperor kill --signal CONT held nobody", "emperor enter a false", "emperor net check"},
		"2":   {"emperor", "emperor list --sort colour", "emperor stop", "emperor list --sokcet", "emperor help nothing", "emperor --ini $b/own.ini", "emperor sttus"},
		"3":   {"emperor list --runtime-dir /nowhere", "emperor wait --runtime-dir /nowhere a", "emperor enter --runtime-dir /nowhere a true"},
		"4":   {"emperor status nobody", "emperor kill --signal CONT nobody noone", "emperor stop 'x*'", "emperor enter nobody true", "emperor list nobody", "emperor logs nobody"},
		"126": {"emperor enter a /etc/passwd", "emperor enter a /"},
		"127": {"emperor enter a nothing", "emperor enter a /nothing"},
		"128+N": {
			"emperor enter a sh -c 'kill -15 $$'; test $? = 143 && exit 128", "emperor enter a sh -c 'kill -9 $$'; test $? = 137 && exit 128",
			"timeout --preserve-status --signal INT 0.5 emperor wait --for gone --timeout 1m a; test $? = 130 && exit 128",
			"emperor events --follow | true; test ${PIPESTATUS[0]} = 141 && exit 128", "emperor logs --follow a | true; test ${PIPESTATUS[0]} = 141 && exit 128",
		},
	}
	for code, scripts := range cases {
		for _, script := range scripts {
			cmd := w.inside("bash", "-c", "PATH="+os.Getenv(binEnv)+":$PATH b="+w.base+" v="+w.vassals+"; "+script)
			text, err := cmd.CombinedOutput()
			var x *exec.ExitError
			if err != nil && !errors.As(err, &x) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); fmt.Sprint(got) != strings.TrimSuffix(code, "+N") {
				t.Errorf("%s: exit code %d, want %s: %s", script, got, code, text)
			}
		}
	}
	_, section, _ := strings.Cut(w.succeed("--help"), "\nExit status:\n")
	section, _, _ = strings.Cut(section, "\n\n")
	var documented []string
	for _, row := range regexp.MustCompile(`(?m)^  (\S+) +\S`).FindAllStringSubmatch(section, -1) {
		documented = append(documented, row[1])
		if cases[row[1]] == nil {
			t.Errorf("there is no case of exit code %s", row[1])
		}
	}
	for code := range cases {
		if !slices.Contains(documented, code) {
			t.Errorf("the help says nothing of exit code %s:\n%s", code, section)
		}
	}
	e.signal(syscall.SIGTERM)
	if code := e.wait(); code != 0 {
		t.Errorf("the emperor stops as asked with exit code %d", code)
	}
}
