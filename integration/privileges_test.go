//go:build linux

package integration

import (
	"strings"
	"testing"
)

// The privileges of a vassal and of its worker are read from /proc.
func TestDropsPrivileges(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		options          []string
		uid, gid, groups string
	}{
		"names":                   {[]string{"uid = vassal001", "gid = vassal001"}, "4001", "4001", "4001 4100"},
		"numbers":                 {[]string{"uid = 4001", "gid = 4001"}, "4001", "4001", "4001 4100"},
		"numbers without account": {[]string{"uid = 4321", "gid = 4322"}, "4321", "4322", "4322"},
		"the user's own group":    {[]string{"uid = vassal002"}, "4002", "4002", "4002"},
		"another group":           {[]string{"uid = vassal001", "gid = vassal002"}, "4001", "4002", "4002 4100"},
		"more groups":             {[]string{"uid = vassal001", "gid = vassal001", "add-gid = others", "add-gid = 77"}, "4001", "4001", "77 4001 4100 4200"},
		"no groups of the system": {[]string{"uid = vassal001", "gid = vassal001", "no-initgroups = true"}, "4001", "4001", "4001"},
		"groups alone":            {[]string{"gid = vassal002"}, "0", "4002", "4002"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vassal("a.ini", append(tt.options, serves)...)
			e := w.start(allNamespaces)
			pid := e.running("a.ini")
			workers := children(pid)
			if len(workers) != 1 {
				t.Fatalf("the vassal has the children %v", workers)
			}
			for who, p := range map[string]int{"vassal": pid, "worker": workers[0]} {
				for field, want := range map[string]string{
					"Uid": strings.Repeat(" "+tt.uid, 4)[1:], "Gid": strings.Repeat(" "+tt.gid, 4)[1:], "Groups": tt.groups,
				} {
					if got := status(t, p, field); got != want {
						t.Errorf("%s: %s is %q, want %q", who, field, got, want)
					}
				}
				for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
					if got := status(t, p, set); strings.Trim(got, "0") != "" && tt.uid != "0" {
						t.Errorf("%s: %s is %s", who, set, got)
					}
				}
			}
		})
	}
}

func TestUnknownAccountsAreFatal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ option, want string }{
		"user":        {"uid = nobody-has-this", `there is no user "nobody-has-this"`},
		"group":       {"gid = nobody-has-this", `there is no group "nobody-has-this"`},
		"added group": {"add-gid = nobody-has-this", `there is no group "nobody-has-this"`},
		"no group":    {"uid = 4321", "gid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			options := []string{tt.option, "exec-as-user = echo as user", serves}
			if strings.HasPrefix(tt.option, "add") {
				options = append(options, "uid = 4001", "gid = 4001")
			}
			w.vassal("a.ini", options...)
			e := w.start(allNamespaces)
			e.await("a.ini", strings.ReplaceAll(tt.want, `"`, `\"`))
			e.await("a.ini", "exit status 1")
			e.await("a.ini", "-> backoff")
			if e.count("a.ini", "-> running") > 0 || e.count("a.ini", "as user") > 0 {
				t.Errorf("the vassal went on:\n%s", e.tail())
			}
		})
	}
}
