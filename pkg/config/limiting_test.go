package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/assist"
)

// limitsOf returns the files of a vassal's cgroup as text, one a line.
func limitsOf(t *testing.T, l Limiting, f File, template, own string) (text string, warnings Problems, err error) {
	t.Helper()
	f.Device = func(path string) (string, error) {
		if path != "/dev/sda" && path != "/dev/disk/by-id/a" && path != "/srv" && path != "/" {
			return "", errors.New("there is no " + path)
		}
		return "8:0", nil
	}
	loader := Loader{Permissions: Permissions{Partial: true}}
	if template != "" {
		file, text := &loader.Templates.IncludeBefore, template
		if after, behind := strings.CutPrefix(template, "behind: "); behind {
			file, text = &loader.Templates.Include, after
		}
		*file = []Template{Source{Name: "t.ini", Path: "/t.ini", Data: []byte("[uwsgi]\n" + text)}.Template()}
	}
	v, _, err := loader.Vassal(Source{Name: "a.ini", Path: "/a.ini", Data: []byte("[uwsgi]\ncommand = cat\n" + own)})
	if err != nil {
		t.Fatal(err)
	}
	wish, warnings, err := l.Of(v, f)
	var lines []string
	for _, x := range wish.Limits {
		line := x.File + " " + x.Value
		if x.Default {
			line += " (default)"
		}
		lines = append(lines, line)
	}
	if wish.Group+wish.Below != "" {
		lines = append(lines, fmt.Sprintf("group %q below %q", wish.Group, wish.Below))
	}
	return strings.Join(lines, "\n"), warnings, err
}

// Options become files in the order in which they are written; of two limits the stricter counts
// where a tenant wrote one, and the later one among the operator's.
func TestLimiting(t *testing.T) {
	operator, tenant := File{}, File{Tenant: true, UID: 1001}
	groups := Limiting{Groups: map[string]Resources{"web": {tasksMax: 1000}}}
	owners := Limiting{Groups: map[string]Resources{OwnerGroup: {tasksMax: 1000}}}
	for name, c := range map[string]struct {
		limiting      Limiting
		file          File
		template, own string
		want, warning string
	}{
		"nothing":                {file: operator, want: "pids.max 4096 (default)"},
		"all":                    {file: operator, own: "tasks-max = 100\nmemory-max = 64m\nmemory-high = 32m\nmemory-swap-max = 0\ncpu-weight = 20\ncpu-quota = 150\nio-weight = 7\nio-read-bandwidth-max = /dev/sda 1m\nio-write-bandwidth-max = /srv infinity\n", want: "pids.max 100\nmemory.high 33554432\nmemory.max 67108864\nmemory.swap.max 0\ncpu.weight 20\ncpu.max 150000 100000\nio.weight 7\nio.max 8:0 rbps=1048576\nio.max 8:0 wbps=max\nmemory.oom.group 1"},
		"files":                  {file: operator, own: "cgroup-opt = cpuset.cpus=0-1\ncgroup-opt = misc.max=x 1\ncgroup = /sys/fs/cgroup/a/b\n", want: "pids.max 4096 (default)\ncpuset.cpus 0-1\nmisc.max x 1\ngroup \"\" below \"a/b\""},
		"infinity":               {file: operator, own: "tasks-max = infinity\nmemory-max = infinity\ncpu-quota = infinity\n", want: "pids.max max\nmemory.max max\ncpu.max max 100000"},
		"the operator's file":    {file: operator, template: "tasks-max = 100\n", own: "tasks-max = 300\n", want: "pids.max 300"},
		"a tenant lowers":        {file: tenant, template: "tasks-max = 100\nmemory-max = 1g\n", own: "tasks-max = 50\nmemory-max = 64m\n", want: "pids.max 50\nmemory.max 67108864\nmemory.oom.group 1"},
		"a tenant lowers before": {file: tenant, template: "behind: tasks-max = 100\n", own: "tasks-max = 50\n", want: "pids.max 50"},
		"a tenant raises":        {file: tenant, template: "tasks-max = 100\n", own: "tasks-max = infinity\n", want: "pids.max 100", warning: "/a.ini:3: tasks-max: infinity is more than the operator's limit, which counts"},
		"above the default":      {file: tenant, own: "tasks-max = 100000\n", want: "pids.max 4096", warning: "/a.ini:3: tasks-max: 100000 is more than the operator's limit, which counts"},
		"a path of a device":     {file: tenant, template: "io-read-bandwidth-max = / 1m\n", own: "io-read-bandwidth-max = /dev/sda 1g\n", want: "pids.max 4096 (default)\nio.max 8:0 rbps=1048576"},
		"another of its paths":   {file: tenant, template: "io-read-bandwidth-max = /dev/disk/by-id/a 1m\n", own: "io-read-bandwidth-max = /dev//sda infinity\nio-write-bandwidth-max = /dev/sda 2m\n", want: "pids.max 4096 (default)\nio.max 8:0 rbps=1048576\nio.max 8:0 wbps=2097152"},
		"a stricter path":        {file: tenant, template: "io-read-bandwidth-max = /srv 1m\n", own: "io-read-bandwidth-max = /dev/sda 1k\n", want: "pids.max 4096 (default)\nio.max 8:0 rbps=1024"},
		"a weight":               {file: tenant, template: "cpu-weight = 50\n", own: "cpu-weight = 500\n", want: "pids.max 4096 (default)\ncpu.weight 50", warning: "/a.ini:3: cpu-weight: 500 is more than the operator's limit, which counts"},
		"a group":                {limiting: groups, file: operator, own: "limit-group = web\n", want: "pids.max 4096 (default)\ngroup \"web\" below \"\""},
		"a group of a template":  {limiting: groups, file: tenant, template: "limit-group = web\n", want: "pids.max 4096 (default)\ngroup \"web\" below \"\""},
		"a group of its owner":   {limiting: owners, file: tenant, want: "pids.max 4096 (default)\ngroup \"owner.1001\" below \"\""},
		"an operator's file":     {limiting: owners, file: operator, want: "pids.max 4096 (default)"},
	} {
		t.Run(name, func(t *testing.T) {
			got, warnings, err := limitsOf(t, c.limiting, c.file, c.template, c.own)
			if err != nil || got != c.want {
				t.Errorf("%s, %v; want\n%s", got, err, c.want)
			}
			if text := fmt.Sprint(warnings.Err()); text != c.warning && c.warning+text != "<nil>" {
				t.Errorf("warning %q, want %q", text, c.warning)
			}
		})
	}
}

// Mistakes that only the emperor can find have a line and a remedy.
func TestLimitingMistakes(t *testing.T) {
	for own, want := range map[string]string{
		"cgroup-opt = cpuset.cpus=0\n":               "/a.ini:3: cgroup-opt: not permitted in a tenant's own file (permitted in the operator's templates)",
		"limit-group = web\n":                        "/a.ini:3: limit-group: not permitted in a tenant's own file (permitted in the operator's templates)",
		"cgroup = x\n":                               "/a.ini:3: cgroup: not permitted in a tenant's own file (permitted in the operator's templates)",
		"io-read-bandwidth-max = /root 1m\n":         "/a.ini:3: io-read-bandwidth-max: a tenant's own file may only name a device (io-read-bandwidth-max = /dev/sda 10m)",
		"io-read-bandwidth-max = /dev/shm/link 1m\n": "/a.ini:3: io-read-bandwidth-max: a tenant's own file may only name a device (io-read-bandwidth-max = /dev/sda 10m)",
		"io-read-bandwidth-max = /dev/no 1\n":        "/a.ini:3: io-read-bandwidth-max: there is no /dev/no (a block device, or a file on one)",
	} {
		if _, _, err := limitsOf(t, Limiting{}, File{Tenant: true}, "", own); fmt.Sprint(err) != want {
			t.Errorf("%s: %v; want %s", own, err, want)
		}
	}
	if _, _, err := limitsOf(t, Limiting{Groups: map[string]Resources{"web": {}}}, File{}, "", "limit-group = wbe\n"); fmt.Sprint(err) != `/a.ini:3: limit-group: there is no group "wbe" (did you mean web?)` {
		t.Error(err)
	}
}

// A limit in an include, or with the content of a file, is a mistake: the emperor has made the
// cgroup without it.
func TestUnseenLimits(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"inner.ini": "[uwsgi]\nmemory-max = 64m\n", "size": "64m", "same.ini": "[uwsgi]\nmemory-max = 32m\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all := FullPermissions(nil, assist.Means{})
	all.Dir = dir
	for text, want := range map[string]string{
		"memory-max = 32m\n":                           "",
		"ini = same.ini\nmemory-max = 32m\n":           "",
		"ini = inner.ini\n":                            "inner.ini:2: memory-max: the emperor cannot read it here",
		"memory-max = 32m\nini = inner.ini\n":          "inner.ini:2: memory-max: the emperor cannot read it here",
		"memory-max = @(size)\n":                       "memory-max: the emperor cannot read it here",
		"m = 32m\nmemory-max = %(m)\nini = none.ini\n": "none.ini",
	} {
		_, _, err := Loader{Permissions: all}.Vassal(Source{Name: "a.ini", Path: filepath.Join(dir, "a.ini"), Data: []byte("[uwsgi]\ncommand = cat\n" + text)})
		if want == "" && err != nil || want != "" && !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}
