package namespaces

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
)

// An errand may be longer than a pipe holds, without a reader, and the programs that pass it
// on do not read it.
func TestErrandOfAVisitor(t *testing.T) {
	text := bytes.Repeat([]byte("x\xff"), 1<<20)
	v, err := Visit{Program: "/bin/visitor"}.Prepare(text)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if v.Path != "/bin/visitor" || !slices.Equal(v.Args, []string{visitorName}) || len(v.Files) != 1 {
		t.Errorf("the visitor is %+v", v)
	}
	told, err := io.ReadAll(v.Files[0])
	if err != nil {
		t.Fatal(err)
	}
	var a Arrival
	if err := json.Unmarshal(told, &a.task); err != nil {
		t.Fatal(err)
	}
	var got []byte
	if err := a.Errand(&got); err != nil || !bytes.Equal(got, text) || a.Confined() {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// openFake opens a null device in the place of each namespace, or fails.
type openFake struct{ err error }

func (o openFake) OpenNamespace(Flags) (*os.File, error) {
	if o.err != nil {
		return nil, o.err
	}
	return os.Open(os.DevNull)
}

func (o openFake) OpenNetwork() (netns.NsHandle, error) {
	if o.err != nil {
		return netns.None(), o.err
	}
	return netns.GetFromPath(os.DevNull)
}

// Namespaces that no multi-threaded program can enter are entered by another program first,
// which gets only their descriptors and the program's.
func TestVisitorOfAUserNamespace(t *testing.T) {
	if _, err := exec.LookPath("nsenter"); err != nil {
		t.Skip("there is no nsenter")
	}
	v, err := Visit{Program: "/proc/self/exe", Namespaces: NewNet | NewUser | NewTime, Of: openFake{}}.Prepare(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	want := "nsenter --user=/proc/self/fd/5 --time=/proc/self/fd/6 -- /proc/self/fd/7 " + visitorName
	if os.Geteuid() != 0 {
		want = strings.Replace(want, "nsenter", "nsenter --preserve-credentials", 1)
	}
	if got := strings.Join(v.Args, " "); got != want || len(v.Files) != 5 {
		t.Errorf("%d files and %q, want %q", len(v.Files), got, want)
	}
	failed := errors.New("no such namespace")
	_, err = Visit{Namespaces: NewNet, Of: openFake{failed}}.Prepare(nil)
	if !errors.Is(err, failed) {
		t.Errorf("without a namespace: %v", err)
	}
}

func TestFindProgram(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"a/run": 0o755, "a/data": 0o644, "b/data": 0o644, "b/both": 0o755, "a/both": 0o644} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(dir, "a"))
	path := filepath.Join(dir, "none") + "::.:" + filepath.Join(dir, "a") + ":" + filepath.Join(dir, "b")
	for name, want := range map[string]any{
		"run": "a/run", "both": "b/both", "data": os.ErrPermission, "none": os.ErrNotExist, "": os.ErrNotExist,
		dir + "/a/run": "a/run", dir + "/a/data": os.ErrPermission, dir + "/a": os.ErrPermission, dir + "/none": os.ErrNotExist,
	} {
		got, err := FindProgram(name, path)
		if failed, ok := want.(error); ok && !errors.Is(err, failed) || !ok && (err != nil || got != filepath.Join(dir, want.(string))) {
			t.Errorf("FindProgram(%q) is %q, %v; want %v", name, got, err, want)
		}
	}
	if _, err := FindProgram("run", "a:."); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a relative directory: %v", err)
	}
}
