package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	const base = "command = cat\nhttp-socket = :80\nsocket = :81\nexec-as-root = a\nexec-as-root = b\nuid = 1\n"
	for name, c := range map[string]struct{ before, after, want string }{
		"nothing":              {base, base, ""},
		"comments and spaces":  {base, "; hello\n\n" + strings.ReplaceAll(base, " = ", "=") + "# end", ""},
		"another order":        {base, "uid = 1\n" + strings.Replace(base, "uid = 1\n", "", 1), ""},
		"an alias":             {"command = cat\nwait-for-interface = a\n", "command = cat\nwait-iface = a\n", ""},
		"a placeholder":        {"command = %(x)\nx = cat\n", "command = cat\ny = dog\n", ""},
		"a flag":               {"command = cat\nno-initgroups\n", "command = cat\nno-initgroups = yes\n", ""},
		"an overridden value":  {"command = cat\nchdir = /a\nchdir = /b\n", "command = cat\nchdir = /b\n", ""},
		"a warning":            {base + "module = app\n", base, ""},
		"reload":               {base, strings.Replace(base, "cat", "dog", 1), "command reload [cat] -> [dog]"},
		"respawn":              {base, strings.Replace(base, "uid = 1", "uid = 2", 1), "uid respawn [1] -> [2]"},
		"new":                  {base, base + "umask = 077", "umask respawn [] -> [077]"},
		"gone":                 {base + "umask = 077", base, "umask respawn [077] -> []"},
		"one more":             {base, base + "exec-as-root = c", "exec-as-root respawn [a b] -> [a b c]"},
		"hooks change places":  {base, strings.NewReplacer("root = a", "root = b", "root = b", "root = a").Replace(base), "exec-as-root respawn [a b] -> [b a]"},
		"kinds change places":  {base + "hook-as-root = print:x", strings.Replace(base, "exec", "hook-as-root = print:x\nexec", 1), "exec-as-root respawn [a b] -> [a b]; hook-as-root respawn [print:x] -> [print:x]"},
		"phases change places": {base + "exec-as-user = x", "exec-as-user = x\n" + base, ""},
		"a neighbour comes":    {base, strings.Replace(base, "exec-as-root = b", "hook-as-root = print:x\nexec-as-root = b", 1), "hook-as-root respawn [] -> [print:x]"},
		"several, sorted":      {base, "command = dog\nhttp-socket = :80\nsocket = :81\n", "command reload [cat] -> [dog]; exec-as-root respawn [a b] -> []; uid respawn [1] -> []"},
		"the value of another": {"command = %(x)\nx = cat\n", "command = %(x)\nx = dog\n", "command reload [cat] -> [dog]"},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := vassal(t, c.before), vassal(t, c.after)
			if got := differences(Diff(before, after)); got != c.want {
				t.Errorf("got:  %s\nwant: %s", got, c.want)
			}
			// The reverse change has the same class.
			back, forth := Diff(after, before), Diff(before, after)
			if len(back) != len(forth) {
				t.Errorf("back: %s", differences(back))
			}
			for i := range back {
				if back[i].Option != forth[i].Option || fmt.Sprint(back[i].Old, back[i].New) != fmt.Sprint(forth[i].New, forth[i].Old) {
					t.Errorf("back: %s", differences(back))
				}
			}
		})
	}
}

func vassal(t *testing.T, lines string) *Vassal {
	t.Helper()
	v, _, err := ParseVassal(Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte("[vassal]\n" + lines)})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func differences(list []Difference) string {
	var lines []string
	for _, d := range list {
		lines = append(lines, fmt.Sprintf("%s %v %v -> %v", d.Option, d.Change, d.Old, d.New))
	}
	return strings.Join(lines, "; ")
}
