package inspect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// world makes a directory with the files that the checks read, and files of vassals in it.
func world(t *testing.T, emperor *config.Emperor, files ...string) (dir string, list []Subject) {
	t.Helper()
	dir = t.TempDir()
	for name, mode := range map[string]os.FileMode{"tool": 0o755, "text": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, text := range files {
		path := filepath.Join(dir, fmt.Sprintf("%c.ini", 'a'+i))
		v, _, err := config.ParseVassal(config.Source{Name: filepath.Base(path), Path: path, Data: []byte("[vassal]\n" + strings.ReplaceAll(text, "DIR", dir))})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, Subject{File: path, Vassal: v, Emperor: emperor})
	}
	return dir, list
}

func emperor(t *testing.T, args ...string) *config.Emperor {
	t.Helper()
	e, _, err := config.Loader{Permissions: config.FullPermissions(nil, assist.Means{})}.Emperor(append(args, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestVassals(t *testing.T) {
	t.Setenv("PATH", "/usr/bin:/bin")
	host, net := emperor(t, "--emperor-use-clone", "pid"), emperor(t, "--emperor-use-clone", "net")
	dropped := emperor(t, "--emperor-use-clone", "net", "--uid", "65534", "--gid", "65534")
	for name, c := range map[string]struct {
		emperor *config.Emperor
		files   []string
		want    string
	}{
		"all well":                 {host, []string{"command = DIR/tool\nchdir = DIR\nsocket = x.sock\nhttp-socket = :1\nuid = 4000000000"}, ""},
		"command in the directory": {host, []string{"command = ./tool\nchdir = DIR"}, ""},
		"static file":              {host, []string{"static-map = /a=DIR/text\nhttp-socket = :1"}, ""},
		"static missing":           {host, []string{"static-map = /a=DIR/none\nhttp-socket = :1"}, `a.ini:2: static-map: there is no "DIR/none" [directory-missing]`},
		"chdir is a file":          {host, []string{"command = DIR/tool\nchdir = DIR/text"}, `a.ini:3: chdir: there is no directory "DIR/text" [directory-missing]`},
		"not executable":           {host, []string{"command = DIR/text"}, `a.ini:2: command: "DIR/text" is not executable (chmod +x DIR/text) [command-not-executable]`},
		"directory":                {host, []string{"command = DIR/sub x"}, `a.ini:2: command: "DIR/sub" is a directory (name a program in it) [command-not-executable]`},
		"patch":                    {host, []string{"unprivileged-binary-patch = DIR/text"}, `a.ini:2: unprivileged-binary-patch: "DIR/text" is not executable (chmod +x DIR/text) [command-not-executable]`},
		"patch with arguments":     {host, []string{"unprivileged-binary-patch-arg = DIR/text -v"}, `a.ini:2: unprivileged-binary-patch-arg: "DIR/text" is not executable (chmod +x DIR/text) [command-not-executable]`},
		"not in PATH":              {host, []string{"command = no-such-program-anywhere"}, `a.ini:2: command: "no-such-program-anywhere" is not in PATH (give its whole path; PATH is /usr/bin:/bin) [command-missing]`},
		"socket is a directory":    {host, []string{"command = DIR/tool\nsocket = DIR/sub"}, `a.ini:3: socket: "DIR/sub" is a directory (name a file in it) [socket-is-directory]`},
		"socket in no directory":   {host, []string{"command = DIR/tool\nsocket = DIR/none/x"}, `a.ini:3: socket: there is no directory "DIR/none" [socket-without-directory]`},
		"abstract socket":          {host, []string{"command = DIR/tool\nsocket = @no/such/x"}, ""},
		"one port, one host":       {host, []string{"command = DIR/tool\nsocket = :7", "command = DIR/tool\nsocket = :7"}, "b.ini:3: socket: a.ini listens on :7 too (each vassal needs its own address) [address-taken]"},
		"one port, own networks":   {net, []string{"command = DIR/tool\nsocket = :7", "command = DIR/tool\nsocket = :7"}, ""},
		"one port, host unknown":   {nil, []string{"command = DIR/tool\nsocket = :7", "command = DIR/tool\nsocket = :7"}, "b.ini:3: socket: a.ini listens on :7 too (each vassal needs its own address) [address-perhaps-taken]"},
		"one path, own networks":   {net, []string{"command = DIR/tool\nsocket = DIR/x", "command = DIR/tool\nshared-socket = DIR/x\nsocket = =0"}, "b.ini:3: shared-socket: a.ini listens on DIR/x too (each vassal needs its own address) [address-taken]"},
		"one port, many": {
			host,
			[]string{"command = DIR/tool\nsocket = :7", "command = DIR/tool\nsocket = 127.0.0.1:7", "command = DIR/tool\nsocket = 0.0.0.0:7", "command = DIR/tool\nsocket = :8"},
			"b.ini:3: socket: a.ini listens on :7 too, and 1 more (c.ini, …) (each vassal needs its own address) [address-taken]",
		},
		"one path, two spellings": {
			host,
			[]string{"command = DIR/tool\nsocket = DIR/x", "command = DIR/tool\nsocket = sub/../x"},
			"b.ini:3: socket: a.ini listens on DIR/x too (each vassal needs its own address) [address-taken]",
		},
		"one published port": {
			net,
			[]string{"command = DIR/tool\nnetwork-publish = 8000-8002:80", "command = DIR/tool\nnetwork-publish = 9000\nnetwork-publish = 8001:80"},
			"b.ini:4: network-publish: a.ini publishes port 8000-8002 too (each vassal needs ports of its own) [port-taken]",
		},
		"one port, two addresses": {net, []string{"command = DIR/tool\nnetwork-publish = 192.0.2.1:80", "command = DIR/tool\nnetwork-publish = 192.0.2.2:80"}, ""},
		"one port, not connected": {net, []string{"command = DIR/tool\nnetwork-publish = 80", "command = DIR/tool\nnetwork = none\nnetwork-publish = 80"}, ""},
		"one fixed address": {
			net,
			[]string{"command = DIR/tool\nnetwork-address = 10.142.3.7", "command = DIR/tool\nnetwork-address = 10.142.3.7"},
			"b.ini:3: network-address: a.ini has the address 10.142.3.7 too (each vassal needs its own address) [network-address-taken]",
		},
		"one port on purpose":   {host, []string{"command = DIR/tool\nsocket = :7\nreuse-port = 1", "command = DIR/tool\nsocket = :7\nreuse-port = 1"}, ""},
		"interface of the host": {host, []string{"command = DIR/tool\nwait-for-interface = eth7"}, `a.ini:3: wait-for-interface: the vassal gets no network namespace: "eth7" would be an interface of the host (net in emperor-use-clone) [interface-of-the-host]`},
		"files without mounts":  {host, []string{"command = DIR/tool\nprivate-tmp = true"}, "a.ini:3: private-tmp: the vassal has no mounts of its own (fs in emperor-use-clone) [namespace-missing]"},
		"tunables of the host":  {host, []string{"command = DIR/tool\nprotect-kernel-tunables = false"}, "a.ini:3: protect-kernel-tunables: the vassal has no mounts of its own (fs in emperor-use-clone) [namespace-missing]"},
		"files as on the host":  {host, []string{"command = DIR/tool\nprivate-tmp = false\nprotect-system = false"}, ""},
		"user of the emperor":   {dropped, []string{"command = sleep 1\nuid = 65534\ngid = 65534", "command = sleep 1\ngid = 65534"}, ""},
		"user beside the emperor": {
			dropped,
			[]string{"command = sleep 1\nuid = 0", "command = sleep 1\ngid = 0"},
			"a.ini:3: uid: the vassal cannot become uid 0, gid 0: its emperor drops root for uid 65534, gid 65534 (remove uid and gid here, or from the emperor's file) [user-refused]\n" +
				"b.ini:3: gid: the vassal cannot become uid 65534, gid 0: its emperor drops root for uid 65534, gid 65534 (remove uid and gid here, or from the emperor's file) [user-refused]",
		},
		"interface of its own":    {net, []string{"command = DIR/tool\nwait-for-interface = eth7"}, ""},
		"interface, host unknown": {nil, []string{"command = DIR/tool\nwait-for-interface = eth7"}, ""},
		"accounts": {
			host,
			[]string{"command = DIR/tool\nuid = no-such-user\nchown-socket = root:no-such-group"},
			`a.ini:3: uid: there is no user "no-such-user" (useradd --system no-such-user) [account-unknown]` + "\n" +
				`a.ini:4: chown-socket: there is no group "no-such-group" (groupadd --system no-such-group) [account-unknown]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, list := world(t, c.emperor, c.files...)
			if got := text(Vassals(list), dir); got != c.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}

// TestNeighbours: only vassals of one directory are compared.
func TestNeighbours(t *testing.T) {
	_, one := world(t, nil, "command = DIR/tool\nsocket = /tmp/x")
	_, two := world(t, nil, "command = DIR/tool\nsocket = /tmp/x")
	if found := Vassals(append(one, two...)); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

func TestEmperor(t *testing.T) {
	move := "ip link set veth1 netns $UWSGI_VASSAL_PID"
	if found := Emperor("e.ini", emperor(t, "--exec-as-emperor", move, "--emperor-use-clone", "net")); len(found) > 0 {
		t.Errorf("found %v", found)
	}
	if found := Emperor("e.ini", emperor(t, "--exec-as-emperor", "true")); len(found) > 0 {
		t.Errorf("found %v", found)
	}
	want := "e.ini: exec-as-emperor: a link is moved into the vassal's network namespace, but vassals get none (net in emperor-use-clone) [link-into-the-host]\n" +
		`e.ini: emperor: there is no directory "/no/such" [monitor-missing]`
	if got := text(Emperor("e.ini", emperor(t, "--exec-as-emperor", move, "--emperor", "/no/such")), "\x00"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestChecksAreSorted keeps the table sorted for its readers.
func TestChecksAreSorted(t *testing.T) {
	for i := range checks[1:] {
		if checks[i].name > checks[i+1].name {
			t.Errorf("%s stands before %s", checks[i].name, checks[i+1].name)
		}
	}
}

func text(found []Finding, dir string) string {
	var lines []string
	for _, f := range found {
		line := strings.TrimPrefix(f.Error(), dir+"/") + " [" + f.Check + "]"
		lines = append(lines, strings.ReplaceAll(line, dir, "DIR"))
	}
	return strings.Join(lines, "\n")
}

// A vassal cannot bind a socket in a directory that its user cannot enter. The emperor binds a
// shared one.
func TestSocketInAClosedDirectory(t *testing.T) {
	dir, list := world(t, nil, "command = sleep 1\nuid = 65534\ngid = 65534\nhttp-socket = :80\nsocket = DIR/x\nshared-socket = DIR/y\nsocket = =0")
	above := filepath.Dir(dir)
	want := `a.ini:6: socket: uid 65534 cannot enter "` + above + `" (a directory in /run that belongs to the user) [directory-closed]`
	if err := os.Chmod(above, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := text(Vassals(list), dir); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// A directory is closed to a user who cannot search one of its parent directories.
func TestFirstClosed(t *testing.T) {
	dir := t.TempDir()
	for _, open := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"group": 0o710, "owner": 0o700, "odd": 0o077} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Join(path, "sub"), 0o777), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(path, 0o700) })
	}
	uid, gid := uint32(os.Getuid()), uint32(os.Getgid())
	for _, c := range []struct {
		user namespaces.Credentials
		path string
		want string
	}{
		{namespaces.Credentials{UID: uid, GID: gid}, "owner/sub", ""},
		{namespaces.Credentials{UID: uid, GID: gid}, "odd", "odd"},
		{namespaces.Credentials{UID: uid + 1, GID: gid + 1}, "owner/sub", "owner"},
		{namespaces.Credentials{UID: uid + 1, GID: gid + 1}, "owner", "owner"},
		{namespaces.Credentials{UID: uid + 1, GID: gid}, "group/sub", ""},
		{namespaces.Credentials{UID: uid + 1, GID: gid + 1, Groups: []uint32{gid}}, "group/sub", ""},
		{namespaces.Credentials{UID: uid + 1, GID: gid + 1}, "group/sub", "group"},
		{namespaces.Credentials{UID: uid + 1, GID: gid + 1}, "none/sub", ""},
	} {
		want := c.want
		if want != "" {
			want = filepath.Join(dir, want)
		}
		if got := firstClosed(filepath.Join(dir, c.path), c.user); got != want {
			t.Errorf("%+v %s: %q, want %q", c.user, c.path, got, want)
		}
	}
	if got := firstClosed("relative/path", namespaces.Credentials{UID: uid + 1}); got != "" {
		t.Errorf("a relative path: %q", got)
	}
}
