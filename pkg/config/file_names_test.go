package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/dialect/dialecttest"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
)

// vassalNamed parses text as the file of that name.
func vassalNamed(name, text string, templates ...string) error {
	l := Loader{Permissions: Permissions{Partial: true, Foreign: parser.Parse, Environ: []string{"HOME=/root"}}}
	for i, t := range templates {
		name := string('s'+rune(i)) + ".ini"
		l.Templates.Include = append(l.Templates.Include, Source{Name: name, Path: "/t/" + name, Data: []byte(t)}.Template())
	}
	_, _, err := l.Vassal(Source{Name: name, Path: "/v/" + name, Data: []byte(text)})
	return err
}

// TestNamesInLines: a file whose name is not a plain word is refused when the name is in a
// line for a shell, in whatever way.
func TestNamesInLines(t *testing.T) {
	const serves = "[uwsgi]\ncommand = cat\n"
	for _, line := range []string{
		"exec-as-root = echo %n >/proc/sys/kernel/hostname", "exec-asap = echo '%s'", `exec-as-user-atexit = echo "%p"`, "exec-pre-jail = %n", "exec-post-fork = echo %o",
		"hook-as-root = exec:echo %n", "hook-as-root = safeexec:echo %n", "hook-as-root = -!exec:echo %n", "hook-touch = /tmp/x exec:echo %n",
		"hook-as-user = execv:sh -c 'echo %n'", "command = sh -c 'echo %n'", "command = sh -ec %n", "command = timeout 5 bash -c \"echo %n\"", "unprivileged-binary-patch-arg = python3 -c 'print(\"%n\")'",
		"worker-exec = su nobody -c %n", "pty-exec = sh -c 'echo %n'", "ready-probe = exec:sh -c 'test -e %n'",
		"attach-daemon = echo %n;", "attach-daemon2 = cmd=echo %n >/x", "smart-attach-daemon = /run/x.pid echo %n &",
		"foo = %n\nexec-as-root = echo %(foo)", "foo = %n\nbar = %(foo)x\nexec-as-root = echo %(bar + 1) %(bar)", "set-placeholder = foo=%n\nexec-as-root = echo %(foo)",
		"set = exec-as-root=echo %n", "for = %n\nexec-as-root = echo %(_)\nend-for =", "if-opt = strict\nend =\nfoo = %n\nif-opt = foo\nexec-as-root = echo %(_)\nend =",
		"ienv = FOO=%n\nexec-as-root = echo $(FOO)", "declare-option = do=exec-as-root=echo $1\ndo = %n", "exec-as-root = echo @(exec://echo %n)", "x = @(exec://echo %n)", "ini = exec://cat %n",
	} {
		for _, name := range dialecttest.Hostile {
			err := vassalNamed(name+".ini", serves+line+"\n")
			if name == "@(exec:)" && (strings.Contains(line, "declare") || strings.Contains(line, "x = @")) {
				continue // left to the vassal, which may open the files of @()
			}
			if harmless := map[string]string{"-rf": `"%p"`, "two words": "for = %n"}[name]; harmless != "" && strings.Contains(line, harmless) {
				continue // a path has no dash at the start, and a loop gets plain words
			}
			if err == nil || !strings.Contains(err.Error(), "a shell may take") || !strings.Contains(err.Error(), "UWSGI_VASSAL_NAME") && !strings.Contains(err.Error(), "%(_)") {
				t.Errorf("%q in %q: %v", name, line, err)
			}
		}
		for _, name := range []string{"shop", "shop.example.org", "user@host", "a+b-c_d"} {
			if err := vassalNamed(name+".ini", serves+line+"\n"); err != nil && strings.Contains(err.Error(), "%") {
				t.Errorf("%q in %q: %v", name, line, err)
			}
		}
	}
}

// TestNamesOfTemplates: a template gets the name of the vassal's file by its uppercase
// variables.
func TestNamesOfTemplates(t *testing.T) {
	for _, name := range dialecttest.Hostile {
		err := vassalNamed(name+".ini", "[uwsgi]\ncommand = cat\n", "[uwsgi]\nexec-as-root = echo %n\nexec-as-user = echo %N\n")
		if err == nil || strings.Contains(err.Error(), "s.ini:2") || !strings.HasPrefix(err.Error(), "/t/s.ini:3: exec-as-user: %N is ") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestNamesInDirectories: the same for a directory whose name is not a plain word.
func TestNamesInDirectories(t *testing.T) {
	for variable, bad := range map[string]bool{"%p": true, "%d": true, "%c": true, "%1": true, "%0": false, "%n": false, "%s": false, "%i": false, "%j": false, "%v": false} {
		src := Source{Name: "a.ini", Path: "/srv/-x;y/a.ini", Data: []byte("[uwsgi]\ncommand = cat\nexec-as-root = echo " + variable + "\n")}
		if _, _, err := ParseVassal(src); (err != nil) != bad {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

// TestNamesInFormats: the same in every format.
func TestNamesInFormats(t *testing.T) {
	for _, name := range dialecttest.Hostile {
		object, err := json.Marshal(map[string]map[string]any{"uwsgi": {"command": "cat", "exec-as-root": []string{"true", "echo %n"}}})
		if err != nil {
			t.Fatal(err)
		}
		for ext, text := range map[string]string{
			".json": string(object),
			".yaml": "uwsgi:\n  command: cat\n  exec-as-root: >\n    echo\n    %n\n",
			".xml":  "<uwsgi>\n<command>cat</command>\n<exec-as-root>echo\n%n</exec-as-root>\n</uwsgi>\n",
		} {
			if err := vassalNamed(name+ext, text); err == nil { // or the text has become invalid
				t.Errorf("%q is taken", name+ext)
			}
		}
	}
	if err := vassalNamed("shop.yaml", "uwsgi:\n  command: cat\n  exec-as-root: echo %n\n"); err != nil {
		t.Error(err)
	}
}

// TestNamesElsewhere: in a value that no shell reads, the name stands unchanged: nothing in it
// is expanded, and it neither ends nor begins a line.
func TestNamesElsewhere(t *testing.T) {
	text := "[uwsgi]\n# %n\nprocname = %n\nuid = 1000\nhook-as-root = hostname:%n\ncommand = cat \"%d\"\nsite-%n-x = 1\n[%n]\nuid = 0\n"
	for _, name := range dialecttest.Hostile {
		path := "/v/" + name + ".ini"
		v, _, err := ParseVassal(Source{Name: name + ".ini", Path: path, Data: []byte(text)})
		if strings.Contains(name, "$(") || strings.Contains(name, "@(") || strings.Contains(name, "%(") {
			if err == nil || !strings.Contains(err.Error(), "a placeholder (rename the file)") {
				t.Errorf("%q: %v", name, err)
			}
			continue
		}
		want := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(name, "\n", ""), "\uFDD0", ""), "\uFDD1", "")
		if err != nil {
			t.Errorf("%q: %v", name, err)
		} else if v.Names.Name != want || v.UID.ID != 1000 {
			t.Errorf("%q: the name is %q, and the user %v", name, v.Names.Name, v.UID)
		}
	}
}

// TestNamesFromGlob: the same for names of other files.
func TestNamesFromGlob(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a;b", "ok"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := "[uwsgi]\ncommand = cat\nfor-glob = " + dir + "/*\nexec-as-root = echo %(_)\nend =\n"
	_, _, err := Loader{Permissions: Permissions{Files: true}}.Vassal(Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte(text)})
	if want := "/v/a.ini:4: exec-as-root: %(_) is \"" + dir + "/a;b\", which a shell may take for more than a name (rename the file)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestWordsKeepTheirNames: a line that no shell reads may contain a name with blanks in
// quotes.
func TestWordsKeepTheirNames(t *testing.T) {
	for line, good := range map[string]bool{
		`command = cat "%d/%n"`: true, `command = cat %n`: false, `command = cat --file="%n"`: true, `command = "%d/run" x`: true,
		`attach-daemon = cat "%n"`: true, `attach-daemon = cat "%n" | x`: false, `hook-as-user = execv:cat '%n'`: true,
		`hook-as-root = chown:/srv/%n root root`: false, `mount-as-root = tmpfs none /srv/%n`: false, `hook-as-root = mkdir:/srv/%n`: true,
	} {
		if err := vassalNamed("my site.ini", "[uwsgi]\nexit-on-reload = true\n"+map[bool]string{false: "command = cat\n"}[strings.HasPrefix(line, "command")]+line+"\n"); (err == nil) != good {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestConfinementForOthers: a program of the operator would run without what its file asks for.
func TestConfinementForOthers(t *testing.T) {
	for line, want := range map[string]string{
		"no-new-privileges = true": "/a.ini:2: no-new-privileges: the program that replaces the vassal does not know it", "system-call-filter = default": "system-call-filter: ",
		"landlock-write = /srv": "landlock-write: ", "limit-core = 0": "limit-core: ", "limit-as = 100": "<nil>", "cap = net_bind_service": "<nil>", "uid = 4001": "<nil>",
	} {
		src := Source{Name: "a.ini", Path: "/a.ini", Data: []byte("[uwsgi]\n" + line + "\n")}
		if _, err := (Loader{Permissions: Permissions{Partial: true}}).ExamineForeign(src, false); !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v; want %q", line, err, want)
		}
	}
}

// TestNamesForOthers: a program of the operator would interpret such names in its own way.
func TestNamesForOthers(t *testing.T) {
	for line, bad := range map[string]bool{"exec-pre-app = echo %n": true, "cron2 = minute=1 echo %n": true, "logger = pipe:cat >%n": true, "procname = %n": false, "wsgi-file = %d%n.py": false} {
		src := Source{Name: "a;b.ini", Path: "/v/a;b.ini", Data: []byte("[uwsgi]\nini = other.ini\n" + line + "\n")}
		if _, err := (Loader{Permissions: Permissions{Partial: true}}).ExamineForeign(src, false); (err != nil) != bad {
			t.Errorf("%s: %v", line, err)
		}
	}
}
