package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
)

// TestConfinementInside: objects and mappings inside have no effect, and a file that requests
// a confinement there must not run unconfined. Each is reported once, where it begins.
func TestConfinementInside(t *testing.T) {
	for name, text := range map[string]string{
		"a.json": `{"uwsgi": {"command": "cat", "uid": 7,
 "linux": {"resources": {"memory": {"limit": 5, "swap": 1e999}}, "seccomp": {}},
 "process": {"title": "x", "rlimits": [{"type": "RLIMIT_NOFILE"}]},
 "db": [1, [{"user": "x", "seccompProfile": {"type": "x"}}]], "paths": {"user": "x"}
}, "other": {"seccomp": {}}}`,
		"a.yaml": `uwsgi:
  command: cat
  uid: 7
  linux: {resources: {memory: {limit: 5, swap: 1}}, seccomp: {action: x}}
  process: {title: x, rlimits: [{type: RLIMIT_NOFILE}]}
  db: [{name: x, seccompProfile: {type: x}}]
  paths: {base: x}
other: {seccomp: {a: b}}
`,
	} {
		want := []string{"linux.resources", "linux.seccomp", "process.rlimits", "db.seccompProfile"}
		_, _, problems := Loader{Permissions: Permissions{Partial: true, Foreign: parser.Parse}}.ExamineVassal(Source{Name: name, Path: "/v/" + name, Data: []byte(text)})
		var got []string
		for _, p := range problems {
			if got = append(got, p.Key); p.What != confinementText || p.Origin.Line == 0 {
				t.Errorf("%s: %v", name, p)
			}
		}
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s: %s", name, strings.Join(got, ", "))
		}
	}
	const scalars = "uwsgi: {command: cat, uid: 7, linux: {seccomp: x, cpus: 2}}"
	_, _, problems := Loader{Permissions: Permissions{Partial: true, Foreign: parser.Parse}}.ExamineVassal(Source{Name: "a.yaml", Path: "/v/a.yaml", Data: []byte(scalars)})
	if len(problems) != 2 || problems[0].Key != "seccomp" || problems[1].Key != "cpus" {
		t.Errorf("scalars inside are told as %v", problems)
	}
}

// TestSoundsInOtherSpellings: systemd's older names and names of docker's compose files sound
// like confinement, and options of programs do not.
func TestSoundsInOtherSpellings(t *testing.T) {
	for _, key := range []string{
		"InaccessibleDirectories", "ReadOnlyDirectories", "ReadWriteDirectories", "MemoryZSwapMax", "StartupMemoryMax", "StartupCPUWeight",
		"StartupAllowedCPUs", "syscall-filter", "private-dev", "memswap_limit", "mem_reservation", "network_mode",
		"root-dir", "root_directory", "no-network", "limit-memory", "mem", "max-mem", "max-pids", "apparmour", "vassal-memory-max",
		"id-range", "idmap", "io.max", "IODeviceWeight", "BPFProgram", "IPIngressFilterPath", "keep-caps", "hide-pid", "max-memory", "mem-max",
		"MountNamespacePath", "pid-namespace", "nodev", "noexec", "nosuid", "nofile", "nproc",
	} {
		if !namesConfinement(key) {
			t.Errorf("%s passes", key)
		}
	}
	for _, key := range []string{"memcached", "member", "startup-command", "readonly-db", "network", "private-key", "directories", "max-requests", "max-processes", "node", "no-executor"} {
		if namesConfinement(key) {
			t.Errorf("%s is refused", key)
		}
	}
}

// TestIdentitiesInOtherSpellings: the words of other programs for a user are mistakes, also with
// the name of our program in front.
func TestIdentitiesInOtherSpellings(t *testing.T) {
	for key, want := range map[string]string{
		"as-user": "uid", "AsGroup": "gid", "vassal-setuid": "uid", "vassal-setgid": "gid", "vassal-user": "uid", "emperor-group": "gid",
		"vassal-home": "", "vassals": "",
	} {
		if got, sure := meant(key, "4001"); got != want || sure != (want != "") {
			t.Errorf("%s: got %q, sure: %v", key, got, sure)
		}
	}
}
