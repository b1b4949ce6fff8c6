package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/assist/direct"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
)

// readings reads a tenant's vassal twice, as a vassal does, with the rights of this process.
func readings(t *testing.T, allow []string, before, own, after string) (first, all *Vassal, err error) {
	t.Helper()
	dir := t.TempDir()
	l := Loader{Allow: allow, Permissions: FullPermissions(parser.Parse, direct.Means())}
	l.Permissions.Dir = dir
	l.Permissions.Environ, l.Permissions.Secrets = []string{"PASSED=1"}, []string{"SECRET=hunter2"}
	if before != "" {
		l.Templates.IncludeBefore = []Template{Source{Name: "before.ini", Path: "/before.ini", Data: []byte("[uwsgi]\n" + before)}.Template()}
	}
	if after != "" {
		l.Templates.Include = []Template{Source{Name: "after.ini", Path: "/after.ini", Data: []byte("[uwsgi]\n" + after)}.Template()}
	}
	src := Source{Name: "a.ini", Path: dir + "/a.ini", Data: []byte("[uwsgi]\ncommand = cat\n" + own), Tenant: true}
	for name, text := range map[string]string{"inject.ini": "memory-max = infinity\nexec-as-root = evil\n", "more.ini": "[uwsgi]\nmemory-max = 2m\nexec-as-root = evil\n", "value": "4m"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l.Permissions.Recall = map[string]string{}
	if first, _, err = l.Operator(src); err != nil {
		return first, nil, err
	}
	l.Permissions.Owner, l.First = true, first
	all, _, err = l.Vassal(src)
	return first, all, err
}

// TestTenantCannotSay: each line of a tenant that would act with more rights, or would change what the
// operator has decided, is a mistake with its place, in the first reading or in the second.
func TestTenantCannotSay(t *testing.T) {
	for name, c := range map[string]struct{ before, own, after, want string }{
		"a root hook":            {own: "exec-as-root = evil", want: "a.ini:3: exec-as-root: not permitted in a tenant's own file"},
		"its file again":         {own: "include = a.ini", want: "includes itself"},
		"by include":             {own: "include = more.ini", want: "more.ini:3: exec-as-root: not permitted"},
		"by set":                 {own: "set = exec-as-root=evil", want: "a.ini:3: exec-as-root: not permitted"},
		"by declared options":    {own: "declare-option = x=exec-as-root=$1\nx = evil", want: "a.ini:4: exec-as-root: not permitted"},
		"by a loop":              {own: "for = a b\nexec-as-root = evil %(_)\nendfor =", want: "exec-as-root: not permitted"},
		"by injection":           {own: "inject-after = inject.ini", after: "env = A=1", want: "the text of the tenant changes this line of the operator"},
		"by a placeholder":       {own: "x = evil", after: "exec-as-root = echo %(x)", want: "/after.ini:2: exec-as-root: it uses %(x), which only the file of the tenant sets (/"},
		"before the operator's":  {own: "x = evil", after: "x = good\nexec-as-root = echo %(x)", want: "the text of the tenant changes this line"},
		"by a condition":         {own: "x = 1", after: "if-opt = x=1\nexec-as-root = echo\nendif =", want: "the text of the tenant changes this line"},
		"by declaring again":     {before: "declare-option = hook=exec-as-root=echo $1", own: "declare-option = hook=exec-as-root=evil $1", after: "hook = x", want: "the text of the tenant changes this line"},
		"a limit of an include":  {own: "ini = value.ini\nmemory-max = @(value)", want: "a.ini:4: memory-max: in a tenant's file the value is read before all others, and alone"},
		"a limit by a variable":  {own: "memory-max = $(PASSED)m", want: "memory-max: in a tenant's file the value is read before"},
		"a limit given twice":    {own: "network-limit = 1mbit\nnetwork-limit = 2mbit", want: "the emperor cannot read it here"},
		"another value of one":   {before: "x = 1", own: "x = 2\nnetwork-interface = eth%(x)", want: "the emperor cannot read it here"},
		"another network":        {own: "network = routed", after: "network = none", want: "a.ini:3: network: the operator has set none (/after.ini:2)"},
		"the user":               {own: "uid = 0", want: "a.ini:3: uid: not permitted"},
		"the user, a template":   {after: "uid = www", want: "/after.ini:2: uid: the vassal runs as the owner of its file (emperor-tyrant)"},
		"a fallback":             {own: "fallback-config = /root/a.ini", want: "fallback-config: not permitted"},
		"a program as root":      {after: "privileged-binary-patch = /bin/sh", want: "the vassal runs as the owner of its file"},
		"a variable of $(…)":     {own: "ienv = A=1", want: "ienv: not permitted"},
		"an open block":          {own: "if-env = X", after: "no-new-privileges = true", want: "a block has no end"},
		"a weaker template":      {own: "x = false", after: "no-new-privileges = %(x)", want: "it uses %(x), which only the file of the tenant sets"},
		"the group of the owner": {own: "gid = 0", want: "gid: not permitted"},
	} {
		t.Run(name, func(t *testing.T) {
			first, _, err := readings(t, nil, c.before, c.own, c.after)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if first == nil {
				return
			}
			for _, list := range first.Hooks {
				for _, h := range list {
					if strings.Contains(h.Spec().Text, "evil") {
						t.Errorf("the first reading has the hook %q of the tenant", h.Spec().Text)
					}
				}
			}
		})
	}
}

// TestTenantCanSay: what the owner of the file can do anyway.
func TestTenantCanSay(t *testing.T) {
	_, _, err := readings(t, nil, "site = shop\nexec-as-root = echo %(site) $(SECRET)",
		"include = before.txt.ini\nenv = KEY=@(exec://echo value)\nenv = SEEN=$(SECRET)\nenv = PASSED=$(PASSED)\nprocname = shop\npty-socket = /tmp/s\nwait-for-file = /x\ncwd = /tmp\n"+
			"limit-nofile = 100\nmemory-max = 8m", "limit-nofile = 200:400\nmemory-max = 16m")
	if err == nil || !strings.Contains(err.Error(), "before.txt.ini") {
		t.Fatalf("a missing include: %v", err)
	}
	first, all, err := readings(t, []string{"shared-socket"}, "site = shop\nexec-as-root = echo %(site) $(SECRET)",
		"env = KEY=@(exec://echo value)\nenv = SEEN=$(SECRET)\nenv = PASSED=$(PASSED)\nprocname = shop\npty-socket = /tmp/s\nwait-for-file = /x\nshared-socket = :80\n"+
			"limit-nofile = 100\nmemory-max = 8m\nno-new-privileges = false\nsystem-call-filter = off\nnetwork-limit = 9mbit/1mbit", "envdir = /no/such\nnetwork-limit = 2mbit\nlimit-nofile = 200:400\nmemory-max = 16m")
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, c := range all.Env {
		env[c.Key] = c.Value
	}
	if env["KEY"] != "value" || env["SEEN"] != "$(SECRET)" || env["PASSED"] != "1" {
		t.Errorf("the environment is %v", env)
	}
	if len(all.Waits.Paths) != 1 || !all.Waits.Paths[0].Late || len(first.Waits.Paths) != 0 {
		t.Errorf("the waits are %v, and before the drop %v", all.Waits.Paths, first.Waits.Paths)
	}
	if h := first.Hooks["as-root"]; len(h) != 1 || !strings.Contains(h[0].Spec().Text, "shop hunter2") {
		t.Errorf("the hook of the operator is %v", h)
	}
	if len(first.Listening.Shared) != 1 || len(all.Listening.Shared) != 1 {
		t.Error("a permitted option has no effect")
	}
	if l := first.Network.Limit; l.Down != 2e6 || l.Up != 1e6 {
		t.Errorf("the stricter rate is %v", l)
	}
	if len(first.Env) != 0 {
		t.Errorf("before the drop there are the variables %v", first.Env)
	}
	if r := all.Hardening.Files; r != (Range{100, 100, true}) {
		t.Errorf("the stricter limit, before the operator's, is %v", r)
	}
	if !all.Hardening.NoNewPrivileges || all.Hardening.Filter == nil || !first.Hardening.NoNewPrivileges || !first.Capabilities.Set {
		t.Error("a tenant has switched a default off")
	}
	wish, _, err := Limiting{}.Of(first, File{Tenant: true, Device: func(string) (string, error) { return "", nil }})
	var limits []string
	for _, l := range wish.Limits {
		limits = append(limits, l.File+" "+l.Value)
	}
	if got, want := strings.Join(limits, ", "), "pids.max 512, memory.max 8388608, memory.swap.max 0, memory.oom.group 1"; err != nil || got != want {
		t.Errorf("limits %s, %v, want %s", got, err, want)
	}
}

// TestOperatorReadsOnlyTrustedFiles: a file of another user is no text of the operator, although a
// template names it: its lines are the tenant's.
func TestOperatorReadsOnlyTrustedFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, uid int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, uid, uid); err != nil {
			t.Skip("the kernel refuses to change owners:", err)
		}
		return path
	}
	of, ours := write("tenants.ini", "[uwsgi]\nexec-as-root = evil\n", 4001), write("ours.ini", "[uwsgi]\nexec-as-root = good\n", 0)
	link := filepath.Join(dir, "link.ini")
	if err := os.Symlink(ours, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(link, 4001, 4001); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ template, hook, want string }{
		{"include = " + ours, "good", ""},
		{"include = " + of, "", "tenants.ini:2: exec-as-root: not permitted in a tenant's own file"},
		{"exec-as-root = echo @(" + of + ")", "", "the text of the tenant changes this line of the operator"},
		{"for-readline = " + of + "\nexec-as-root = echo %(_)\nendfor =", "", "the text of the tenant changes this line of the operator"},
	} {
		first, _, err := readings(t, nil, c.template, "", "")
		if first == nil {
			t.Fatalf("%s: %v", c.template, err)
		}
		hook := ""
		if h := first.Hooks["as-root"]; len(h) > 0 {
			hook = h[0].Spec().Text
		}
		if hook != c.hook || c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: the hook %q and %v, want %q and %s", c.template, hook, err, c.hook, c.want)
		}
	}
	if first, _, err := readings(t, nil, "include = "+link, "", ""); err == nil && len(first.Hooks) > 0 {
		t.Error("a link of a tenant leads the operator's text to another file")
	}
}
