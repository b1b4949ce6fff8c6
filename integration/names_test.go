//go:build linux

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hostileNames are files that a tenant could make. Each would run `touch x` in a directory
// that the story checks.
var hostileNames = []string{"$(touch x).ini", "`touch x`.ini", ";touch x;.ini", `a";touch x".ini`, "a';touch x'.ini", "a|touch x|.ini", "-n;touch x.ini"}

// TestNamesAreNoShellLines: a file's name runs nothing, whatever line contains it. The vassal
// does not start, and the error names a safe way.
func TestNamesAreNoShellLines(t *testing.T) {
	for name, line := range map[string]string{
		"exec":      "exec-as-root = cd BASE; echo %n",
		"quoted":    "exec-as-user = cd BASE; echo \"%n\" '%n'",
		"hook":      "hook-asap = exec:cd BASE; echo %n",
		"daemon":    "attach-daemon = cd BASE; echo %n; sleep 1000",
		"content":   "procname = @(exec://cd BASE; echo %n)",
		"included":  "ini = exec://cd BASE; echo %n",
		"template":  "",
		"indirect":  "site = %n\nexec-as-root = cd BASE; echo %(site)",
		"a program": "attach-daemon = sh -c 'cd BASE; echo %n'",
	} {
		t.Run(name, func(t *testing.T) {
			beside(t, func(w *world, e *emperor) {
				dir := w.path("traces")
				for _, err := range []error{os.Mkdir(dir, 0o777), os.Chmod(dir, 0o777)} {
					if err != nil {
						t.Fatal(err)
					}
				}
				text := strings.ReplaceAll(line, "BASE", dir)
				if name == "template" {
					w.write("t.ini", ini("exec-as-root = cd "+dir+"; echo %N"))
					text = "ini = ../t.ini" // which only the vassal itself opens
				}
				for _, file := range hostileNames {
					w.vassal(file, serves, text)
					said := e.await(file, "which a shell may take for more than a name (use ")
					if !strings.Contains(said.raw, "UWSGI_VASSAL_NAME") {
						t.Errorf("it says %s", said.raw)
					}
				}
				e.barrier()
				for _, file := range hostileNames {
					if e.count(file, "-> running") > 0 {
						t.Errorf("%s runs", file)
					}
				}
				if found, _ := filepath.Glob(dir + "/*"); len(found) > 0 {
					t.Errorf("a name was run: %q", found)
				}
			})
		})
	}
}

// TestNamesByVariable: the safe way works for any name, in hooks, daemons and commands, and a
// host name needs no shell.
func TestNamesByVariable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vassal("plain.ini", "uid = 4001", "command = sh -c 'env; echo that is all; exec sleep 1000000'")
	e := w.start(allNamespaces)
	// Without a shell, references in the name would be expanded, too.
	const name = "$(HOME).ini"
	w.vassal(name, serves, "hook-as-root = hostname:%n")
	if said := e.await(name, "which contains a placeholder"); said.Level != "ERROR" {
		t.Errorf("it says %s", said.raw)
	}
	const other = "`touch x`;-' \".ini"
	w.vassal(other,
		"hook-as-root = hostname:%n",
		`exec-as-root = echo root "$UWSGI_VASSAL_NAME"`,
		"uid = 4001", "gid = 4001",
		`exec-as-user = echo user "$UWSGI_VASSAL_NAME"`,
		`attach-daemon = echo daemon "$UWSGI_VASSAL_NAME"; exec sleep 1000000`,
		"command = sh -c 'echo command \"$UWSGI_VASSAL_NAME\" \"`uname -n`\"; exec sleep 1000000'",
	)
	for _, what := range []string{"root ", "user ", "daemon "} {
		e.await(other, quoted(what+other))
	}
	e.await(other, quoted("command "+other+" "+strings.TrimSuffix(other, ".ini")))
	e.running(other)

	// A program gets the name only when a line names it.
	e.await("plain.ini", "that is all")
	if e.count("plain.ini", "UWSGI_VASSAL_NAME") > 0 {
		t.Error("a program finds a variable that it did not ask for")
	}
}
