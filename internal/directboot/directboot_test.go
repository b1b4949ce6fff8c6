package directboot

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// bootOf returns the boot of a text; nil: it needs the vassal program.
func bootOf(t *testing.T, lines ...string) *Boot {
	t.Helper()
	v, warnings, err := config.ParseVassal(config.Source{Name: "a.ini", Path: "/v/a.ini", Data: []byte("[vassal]\n" + strings.Join(lines, "\n"))})
	if err != nil {
		t.Fatal(err)
	}
	return Of(v, warnings)
}

const runs = "unprivileged-binary-patch-arg = /bin/sh -c true"

func request() emperor.DirectRequest {
	return emperor.DirectRequest{
		Files: make([]*os.File, 5), Dir: "/", Environ: []string{"PATH=/usr/bin:/bin", "UWSGI_X=1", "B=2"}, Notify: "/run/n", Pipe: 3, Orders: 4,
		Namespaces: namespaces.NewPID | namespaces.NewMount, Keyring: true, Deathsig: syscall.SIGKILL,
	}
}

// The steps have the names and the order of the boot.
func TestSteps(t *testing.T) {
	b := bootOf(t, runs, "uid = 4001", "gid = 4001", "limit-core = 0", "no-new-privileges = true", "cwd = /var", "cap = kill", "chdir = /", "limit-as = 100", "socket = /run/a")
	l, err := b.List(request())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"seal descriptors", "wait for the order", "prepare mounts", "start directory", "limit resources", "drop privileges", "no new privileges", "change directory", "bind sockets",
		"become another program",
	}
	if got := l.Steps(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	text, err := os.ReadFile("../../docs/boot.md")
	if err != nil {
		t.Fatal(err)
	}
	rest := string(text)
	for _, name := range want {
		_, after, found := strings.Cut(rest, ". "+name+"\n")
		if !found {
			t.Fatalf("the boot has no step %q at this place", name)
		}
		rest = after
	}
}

// Only what is certain boots directly: a file with warnings, or with the name of the vassal in it,
// needs the program.
func TestOf(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  bool
	}{
		{"a user and a program", []string{runs, "uid = 4001", "gid = 4001"}, true},
		{"a warning", []string{runs, "uid = 4001", "gid = 4001", "no-such-option = 1"}, false},
		{"its name", []string{"unprivileged-binary-patch-arg = /bin/sh -c 'echo $UWSGI_VASSAL_NAME'", "uid = 4001", "gid = 4001"}, false},
		{"another PATH", []string{runs, "uid = 4001", "gid = 4001", "env = PATH=/x"}, false},
		{"root", []string{runs}, false},
		{"sockets", []string{runs, "uid = 4001", "gid = 4001", "socket = /run/a", "http-socket = :8080", "fastcgi-socket = [::1]:80", "chmod-socket = 660"}, true},
		{"a socket of a name", []string{runs, "uid = 4001", "gid = 4001", "socket = localhost:80"}, false},
		{"a descriptor", []string{runs, "uid = 4001", "gid = 4001", "socket = fd://7"}, false},
		{"a long queue", []string{runs, "uid = 4001", "gid = 4001", "socket = :80", "listen = 4096"}, false},
	} {
		if got := bootOf(t, c.lines...) != nil; got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// The vassal program reports a mistake that is visible before the start.
func TestListRefuses(t *testing.T) {
	for name, lines := range map[string][]string{
		"no such program":      {"unprivileged-binary-patch = /no/such/program", "uid = 4001", "gid = 4001"},
		"not executable":       {"unprivileged-binary-patch = /etc/passwd", "uid = 4001", "gid = 4001"},
		"a relative path":      {"unprivileged-binary-patch = bin/sh", "uid = 4001", "gid = 4001"},
		"not in PATH":          {"unprivileged-binary-patch = no-such-program", "uid = 4001", "gid = 4001"},
		"a directory":          {"unprivileged-binary-patch = /usr", "uid = 4001", "gid = 4001"},
		"an unknown user":      {runs, "uid = no-such-user"},
		"capabilities of root": {runs, "uid = 0", "gid = 0", "cap = kill"},
	} {
		if l, err := bootOf(t, lines...).List(request()); err == nil {
			t.Errorf("%s: %q", name, l.Steps())
		}
	}
}

// After a failure the vassal program boots the vassal.
func TestFailed(t *testing.T) {
	b := bootOf(t, runs, "uid = 4001", "gid = 4001")
	b.Failed()
	if _, err := b.List(request()); err == nil {
		t.Error("it boots directly again")
	}
}

// Errors have the place and the option, like errors of the vassal program.
func TestMessages(t *testing.T) {
	b := bootOf(t, runs, "uid = 4001", "gid = 4001", "chdir = /x", "no-new-privileges = true", "cap = kill", "cwd = /y")
	l, err := b.List(request())
	if err != nil {
		t.Fatal(err)
	}
	var messages []string
	for i := 0; ; i++ {
		step, err := l.Explain(i, syscall.EACCES)
		if step == "" {
			break
		}
		messages = append(messages, err.Error())
		if !errors.Is(err, syscall.EACCES) {
			t.Errorf("%v", err)
		}
	}
	for _, want := range []string{
		`/v/a.ini:5: chdir: cannot enter working directory "/x" as uid 4001: permission denied (chdir = /)`,
		`/v/a.ini:6: no-new-privileges: cannot give up new privileges: permission denied`,
		`/v/a.ini:2: unprivileged-binary-patch-arg: cannot become "/bin/sh": permission denied`,
		`/v/a.ini:7: cap: cannot set groups [4001]: permission denied`, `/v/a.ini:7: cap: cannot keep the capabilities kill: permission denied`,
		`/v/a.ini:8: cwd: cannot enter working directory "/y" as uid 0: permission denied (chdir = /)`, "cannot mount /proc: permission denied",
	} {
		if !slices.Contains(messages, want) {
			t.Errorf("no %q in %q", want, messages)
		}
	}
}

// The program gets the variables that the vassal program would give it.
func TestEnviron(t *testing.T) {
	b := bootOf(t, runs, "uid = 0", "gid = 0", "env = A=1", "unenv = B")
	who, login, err := b.wish.ResolveLogin()
	if err != nil || who.UID != 0 {
		t.Fatal(err)
	}
	got, err := b.environ(append(request().Environ, "HOME=/x"), login, nil)
	if want := []string{"A=1", "HOME=/x", "LOGNAME=root", "PATH=/usr/bin:/bin", "USER=root"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// A vassal in the network has the variables of its place, which its file can change. Its files of names are mounted over
// regular files only.
func TestNetwork(t *testing.T) {
	b := bootOf(t, runs, "uid = 4001", "gid = 4001", "unenv = UWSGI_VASSAL_GATEWAY")
	r, dir := request(), t.TempDir()
	r.Network = &emperor.Attachment{Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.7")}, Gateways: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, Interface: "eth0"}
	env, err := b.environ(r.Environ, accounts.Login{}, r.Network.Vars())
	if err != nil || !slices.Contains(env, "UWSGI_VASSAL_ADDRESS=10.0.0.7") || !slices.Contains(env, "UWSGI_VASSAL_INTERFACE=eth0") || slices.Contains(env, "UWSGI_VASSAL_GATEWAY=10.0.0.1") {
		t.Errorf("%q, %v", env, err)
	}
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink(file, link)); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]error{file: nil, link: errUnsuited, filepath.Join(dir, "none"): errUnsuited} {
		r.Network.Mounts = []wire.Mount{{Source: "/run/hosts", Target: target}}
		if _, err := b.List(r); !errors.Is(err, want) {
			t.Errorf("%s: %v", target, err)
		}
	}
}
