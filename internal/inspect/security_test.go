package inspect

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/pkg/config"
)

// posture returns the exposed facts of the first of some vassals.
func posture(t *testing.T, emperor []string, mode os.FileMode, files ...string) (exposed []string, sum float64) {
	t.Helper()
	loader := config.Loader{Permissions: config.FullPermissions(nil, assist.Means{})}
	e, _, err := loader.Emperor(append([]string{"--emperor", t.TempDir()}, emperor...))
	if err != nil {
		t.Fatal(err)
	}
	var all []Subject
	for i, text := range files {
		path := filepath.Join(t.TempDir(), string(rune('a'+i))+".ini")
		text = "[uwsgi]\ncommand = sleep 9\n" + text
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		for path, mode := range map[string]os.FileMode{filepath.Dir(path): 0o755, path: mode} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		loader.Allow = e.Tyrant.Allow
		v, _, err := loader.Vassal(config.Source{Name: filepath.Base(path), Path: path, Data: []byte(text), Tenant: e.Tyrant.On})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Subject{File: path, Vassal: v, Emperor: e, Root: true})
	}
	facts := Security(all[0], all)
	if len(facts) != len(securityRows) {
		t.Errorf("there are %d facts and %d rows", len(facts), len(securityRows))
	}
	for _, f := range facts {
		if f.Exposed {
			exposed = append(exposed, f.Name)
		}
	}
	return exposed, Exposure(facts)
}

// TestSecurityRowsMove: each row moves with its option, and no other one does.
func TestSecurityRowsMove(t *testing.T) {
	const closed = "uid = 4001\ngid = 4001\nno-new-privileges = true\nsystem-call-filter = default\ncap = none\nmemory-max = 64m\ncpu-quota = 50\nprivate-tmp = true\nprivate-devices = true\nprotect-proc = invisible\nprotect-system = strict\n"
	ranges := []string{"--emperor-id-range", "1000000:65536"}
	with := func(clone string) []string { return append([]string{"--emperor-use-clone", clone}, ranges...) }
	spaces := with("pid,net,fs,user")
	if exposed, sum := posture(t, spaces, 0o600, closed); len(exposed) > 0 || sum != 0 {
		t.Errorf("everything is given, and exposed are %v (%v)", exposed, sum)
	}
	if exposed, _ := posture(t, spaces, 0o600, closed+"private-ids = true\n", closed+"private-ids = true\n"); len(exposed) > 0 {
		t.Errorf("two vassals have ids of their own, and exposed are %v", exposed)
	}
	without := func(line string) string { return removed(closed, line) }
	for want, got := range map[string]func() ([]string, float64){
		"root":         func() ([]string, float64) { return posture(t, spaces, 0o600, without("uid = 4001")+"uid = root\n") },
		"bounding-set": func() ([]string, float64) { return posture(t, spaces, 0o600, without("cap = none")) },
		"memory":       func() ([]string, float64) { return posture(t, spaces, 0o600, without("memory-max = 64m")) },
		"processor":    func() ([]string, float64) { return posture(t, spaces, 0o600, without("cpu-quota = 50")) },
		"tasks":        func() ([]string, float64) { return posture(t, spaces, 0o600, closed+"tasks-max = infinity\n") },
		"system-calls": func() ([]string, float64) { return posture(t, spaces, 0o600, without("system-call-filter = default")) },
		"shared-user":  func() ([]string, float64) { return posture(t, spaces, 0o600, closed, closed) },
		"pid-namespace": func() ([]string, float64) {
			return posture(t, with("net,fs,user"), 0o600, closed)
		},
		"net-namespace": func() ([]string, float64) {
			return posture(t, with("pid,fs,user"), 0o600, closed)
		},
		"mount-namespace": func() ([]string, float64) {
			return posture(t, with("pid,net,user"), 0o600, closed)
		},
		"id-range": func() ([]string, float64) {
			return posture(t, []string{"--emperor-use-clone", "pid,net,fs"}, 0o600, closed)
		},
		"identity": func() ([]string, float64) { // which is no range either
			exposed, sum := posture(t, []string{"--emperor-use-clone", "pid,net,fs,user=identity"}, 0o600, closed)
			return slices.DeleteFunc(exposed, func(name string) bool { return name == "id-range" }), sum - 0.5
		},
		"tmp":     func() ([]string, float64) { return posture(t, spaces, 0o600, without("private-tmp = true")) },
		"devices": func() ([]string, float64) { return posture(t, spaces, 0o600, without("private-devices = true")) },
		"proc":    func() ([]string, float64) { return posture(t, spaces, 0o600, without("protect-proc = invisible")) },
		"system":  func() ([]string, float64) { return posture(t, spaces, 0o600, without("protect-system = strict")) },
		"environment": func() ([]string, float64) {
			return posture(t, append(spaces, "--pass-environment", "*"), 0o600, closed)
		},
		"tenants-text": func() ([]string, float64) { return posture(t, spaces, 0o620, closed) },
		"file":         func() ([]string, float64) { return posture(t, spaces, 0o644, closed+"env = A=b\n") },
		"new-privileges": func() ([]string, float64) {
			return posture(t, spaces, 0o600, removed(without("system-call-filter = default"), "no-new-privileges = true"))
		},
	} {
		exposed, sum := got()
		if want == "new-privileges" { // the filter implies it
			exposed = slices.DeleteFunc(exposed, func(name string) bool { return name == "system-calls" })
			sum -= 0.8
		}
		if !slices.Equal(exposed, []string{want}) {
			t.Errorf("without the option of %s, exposed are %v", want, exposed)
		}
		for _, r := range securityRows {
			if r.name == want && (sum < r.weight-0.01 || sum > r.weight+0.01) {
				t.Errorf("%s adds %v, want %v", want, sum, r.weight)
			}
		}
	}
	for _, same := range []string{"uid = daemon", "uid = 1"} {
		if exposed, _ := posture(t, spaces, 0o600, without("uid = 4001")+"uid = 1\n", without("uid = 4001")+same+"\n"); !slices.Equal(exposed, []string{"shared-user"}) {
			t.Errorf("beside %s exposed are %v", same, exposed)
		}
	}
	if exposed, _ := posture(t, spaces, 0o600, without("uid = 4001")+"uid = 0\n"); !slices.Equal(exposed, []string{"root"}) {
		t.Errorf("with uid = 0 exposed are %v", exposed)
	}
	if exposed, _ := posture(t, append(spaces, "--emperor-cap", "chown"), 0o600, without("cap = none")); len(exposed) > 0 {
		t.Errorf("with emperor-cap exposed are %v", exposed)
	}
	if exposed, _ := posture(t, spaces, 0o600, without("no-new-privileges = true")); len(exposed) > 0 {
		t.Errorf("under a filter exposed are %v", exposed)
	}
}

// In tyrant mode the file is its tenant's to write, and an option that the operator grants acts as root.
func TestSecurityOfTenants(t *testing.T) {
	emperor := []string{"--emperor-use-clone", "pid,net,fs,user", "--emperor-id-range", "1000000:65536", "--emperor-tyrant", "--emperor-tyrant-allow", "exec-as-root"}
	if exposed, _ := posture(t, emperor, 0o620, "cpu-quota = 50\n"); slices.Contains(exposed, "tenants-text") {
		t.Errorf("without a granted line exposed are %v", exposed)
	}
	if exposed, _ := posture(t, emperor, 0o600, "cpu-quota = 50\nexec-as-root = id\n"); !slices.Contains(exposed, "tenants-text") {
		t.Errorf("with a granted line exposed are %v", exposed)
	}
}

// A running vassal has the facts of its process, and the others of its file, in the order of all facts.
func TestCompleted(t *testing.T) {
	row := func(name, text string) Fact { return Fact{Name: name, Text: text} }
	got := Completed([]Fact{row("tmp", "process"), row("root", "process")}, []Fact{row("file", "file"), row("root", "file"), row("environment", "file")})
	want := []Fact{row("root", "process"), row("tmp", "process"), row("environment", "file"), row("file", "file")}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// removed returns a text without one line.
func removed(text, line string) string {
	list := slices.DeleteFunc(lines(text), func(one string) bool { return one == line+"\n" })
	joined := ""
	for _, one := range list {
		joined += one
	}
	return joined
}

func lines(text string) (list []string) {
	for len(text) > 0 {
		end := slices.Index([]byte(text), '\n') + 1
		list, text = append(list, text[:end]), text[end:]
	}
	return list
}
