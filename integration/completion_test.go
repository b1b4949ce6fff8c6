//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// completions is where the package bash-completion has its functions.
const completions = "/usr/share/bash-completion/bash_completion"

// A user presses Tab in bash: commands, their options, values of options, vassals of the running emperor, owners
// and directories are completed, without the package bash-completion and with it.
func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]string{"bash alone": "true", "with bash-completion": "source " + completions} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := os.Stat(completions); err != nil && name != "bash alone" {
				t.Fatalf("the package bash-completion is not installed: %v", err)
			}
			w := newWorld(t)
			w.vassal("shop-one.ini", "uid = 4001", "gid = 4001", serves)
			w.vassal("mail.ini", "uid = 4001", "gid = 4001", serves)
			if err := os.Mkdir(w.path("directory"), 0o755); err != nil {
				t.Fatal(err)
			}
			e := w.start(allNamespaces)
			e.running("shop-one.ini")
			e.running("mail.ini")
			s := sit(t, w.inside("bash", "--norc", "--noprofile", "-i"))
			s.write("cd " + w.base + "; PS1='next> '; PATH=" + filepath.Dir(program("emperor")) + ":$PATH; bind 'set bell-style none'; " + first +
				"; source <(emperor completion bash); source <(emperor completion --program vassal bash); echo rea''dy\n")
			s.expect("ready\r\n")
			for _, c := range []struct{ typed, shown string }{
				{"emperor sta", "start"}, // one of two, after the second Tab
				{"emperor stat", "status "},
				{"emperor rest", "restart "},
				{"emperor restart sh", "restart shop-one.ini "},
				{"emperor logs -f ma", "-f mail.ini "},
				{"emperor status --a", "--all "},
				{"emperor list --state back", "--state backoff "},
				{"emperor list --state=back", "--state=backoff "},
				{"emperor ls -o na", "-o name "},
				{"emperor ps --owner ro", "--owner root "},
				{"emperor list --sort mem", "--sort memory "},
				{"emperor wait mail.ini --for go", "--for gone "},
				{"emperor kill -s HU", "-s HUP "},
				{"emperor --emperor-use-cl", "--emperor-use-clone"},
				{"emperor ./dir", "./directory/"},
				{"vassal --http-sock", "--http-socket"},
			} {
				s.write("\x15" + c.typed + "\t\t") // after the deletion of the line
				if !s.shows(c.shown, patience) {
					t.Errorf("%s<Tab>: no %q in %q", c.typed, c.shown, s.seen)
				}
				s.write("\x15")
				if strings.Contains(s.seen, "command not found") {
					t.Errorf("%s<Tab>: %q", c.typed, s.seen)
				}
			}
			s.write("\x15exit\n")
			e.stop(syscall.SIGTERM)
		})
	}
}
