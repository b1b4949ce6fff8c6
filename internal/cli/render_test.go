package cli

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/pkg/emperor"
)

func renderedTestVassals() []control.Vassal {
	site := func(name string, state emperor.State, desired emperor.Desired, address string) (v control.Vassal) {
		v.Name, v.State, v.Desired = name, state, desired
		if address != "" {
			v.Network = &emperor.Attachment{Addresses: []netip.Addr{netip.MustParseAddr(address), netip.MustParseAddr("fd12::7")}, Published: []string{"8001:8080"}}
		}
		return v
	}
	shop := site("shop.ini", emperor.Running, emperor.Run, "10.142.3.7")
	shop.Attributes = map[string]string{"domain": "shop.example.com"}
	forged := site("forged.ini", emperor.Running, emperor.Run, "10.142.3.10")
	forged.Attributes = map[string]string{"domain": "x; } server { listen 25"}
	return []control.Vassal{
		shop, site("blog.ini", emperor.Stopping, emperor.Run, "10.142.3.8"), site("old.ini", emperor.Idle, emperor.Held, "10.142.3.9"),
		site("local.ini", emperor.Running, emperor.Run, ""), forged, site("x;}\n.ini", emperor.Running, emperor.Run, "10.142.3.11"),
	}
}

// The examples name the vassals that should run and have an address. A name that is more than a name is left out.
func TestRenderedExamples(t *testing.T) {
	vassals, odd := renderedVassals(renderedTestVassals())
	if want := []string{
		`forged.ini is left out: "x; } server { listen 25" has other characters than letters, digits and ._:/@-`,
		`x;}\n.ini is left out: "x;}\n.ini" has other characters than letters, digits and ._:/@-`,
	}; strings.Join(odd, "\n") != strings.Join(want, "\n") {
		t.Errorf("left out: %q", odd)
	}
	for _, name := range []string{"nginx.conf", "Caddyfile", "traefik.yml"} {
		got, err := renderTemplate("../../examples/front-door/"+name+".tmpl", vassals)
		if err != nil {
			t.Error(err)
			continue
		}
		golden := "testdata/front-door/" + name
		if os.Getenv("EMPEROR_FIX_DOCS") != "" {
			if err := os.WriteFile(golden, got, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is\n%s\nwant\n%s%v", name, got, want, err)
		}
	}
	if _, err := renderTemplate("../../examples/front-door/none.tmpl", vassals); err == nil {
		t.Error("a missing template is filled")
	}
}

// A command runs only after a change. When it fails, the file has its former content again.
func TestRenderRunsItsCommandAfterChanges(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	list := `{"vassals": [{"name": "a.ini", "state": "running", "desired": "run"}]}`
	l, err := net.Listen("unix", path(control.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(list)) })}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	if err := os.WriteFile(path("template"), []byte("{{range .Vassals}}{{.Host}} {{end}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &rendering{operator: &operator{dir: dir}, command: &cobra.Command{}, template: path("template"), file: path("out"), run: "echo ran >>" + path("ran")}
	for _, c := range []struct{ list, run, want, ran string }{
		{list, r.run, "a ", "ran\n"},
		{list, r.run, "a ", "ran\n"},
		{`{"vassals": [{"name": "b.ini"}, {"name": "a.ini"}]}`, r.run, "a b ", "ran\nran\n"},
		{`{"vassals": []}`, "false", "a b ", "ran\nran\n"},
		{`{"vassals": []}`, "", "", "ran\nran\n"},
	} {
		list, r.run = c.list, c.run
		err := r.once(context.Background())
		if (err != nil) != (c.run == "false") || err != nil && !strings.Contains(err.Error(), "has its former content") {
			t.Errorf("%s: %v", c.list, err)
		}
		got, _ := os.ReadFile(path("out"))
		ran, _ := os.ReadFile(path("ran"))
		if string(got) != c.want || string(ran) != c.ran {
			t.Errorf("%s: the file is %q, and the command ran %q", c.list, got, ran)
		}
	}
	if info, err := os.Stat(path("out")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("its mode: %v", err)
	}
	if left, _ := filepath.Glob(path(".out*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
