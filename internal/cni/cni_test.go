package cni

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/testspace"
)

const patience = 20 * time.Second

// The main thread must not end.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// isolated reports whether this is the process in namespaces of its own, where the test is to run.
// Otherwise it starts that process. Debian has the plugins in one place.
func isolated(t *testing.T) bool {
	t.Helper()
	if testspace.Here(t) {
		run(t, netns.None(), "ip", "link", "set", "lo", "up")
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("new network namespaces need root")
	}
	for _, name := range []string{"bridge", "host-local", "portmap"} {
		if _, err := os.Stat(filepath.Join(pluginDir, name)); err != nil {
			t.Skipf("no CNI plugins: %v", err)
		}
	}
	testspace.Run(t, 5*patience, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS})
	return false
}

const pluginDir = "/usr/lib/cni"

// inside calls f on a thread in a network namespace; None: here.
func inside(ns netns.NsHandle, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		var err error
		if ns.IsOpen() {
			err = netns.Set(ns)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func run(t *testing.T, ns netns.NsHandle, name string, args ...string) string {
	t.Helper()
	var out []byte
	err := inside(ns, func() (err error) { out, err = exec.Command(name, args...).CombinedOutput(); return err })
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// newNetns makes a network namespace, and keeps it open until the test ends.
func newNetns(t *testing.T) netns.NsHandle {
	t.Helper()
	ns := openNetns(t)
	t.Cleanup(func() { ns.Close() })
	return ns
}

// openNetns is newNetns, with a handle that the caller closes.
func openNetns(t *testing.T) (ns netns.NsHandle) {
	t.Helper()
	if err := inside(netns.None(), func() (err error) { ns, err = netns.New(); return err }); err != nil {
		t.Fatal(err)
	}
	return ns
}

// office is a network with a bridge and published ports.
const office = `{
 "cniVersion": "1.0.0", "name": "office",
 "plugins": [
  {"type": "bridge", "bridge": "cni-office", "isGateway": true, "ipMasq": true, "capabilities": {"ips": true, "mac": true},
   "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "10.88.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]},
   "dns": {"nameservers": ["10.88.0.53"]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
 ]}`

// setUp writes the network and opens the networks.
func setUp(t *testing.T, dir string, log io.Writer) (*Networks, string) {
	t.Helper()
	conf, leases := filepath.Join(dir, "net.d"), filepath.Join(dir, "leases")
	if err := os.MkdirAll(conf, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(conf, "10-office.conflist"), fmt.Appendf(nil, office, leases), 0o644); err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), Config{ConfDirs: []string{filepath.Join(dir, "none"), conf}, PluginDirs: []string{pluginDir}, Dir: filepath.Join(dir, "record"), Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return n, filepath.Join(leases, "office")
}

func request(ns netns.NsHandle, vassal string) Request {
	return Request{
		Network: "office", Emperor: "0123456789ab", Vassal: vassal, Interface: "eth0", Netns: ns,
		Capabilities: map[string]any{PortMappings: []PortMapping{{HostPort: 8001, ContainerPort: 80, Protocol: "tcp"}}},
	}
}

// leases lists the addresses that the plugin has given out.
func leases(t *testing.T, dir string) (found []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := netip.ParseAddr(e.Name()); err == nil {
			found = append(found, e.Name())
		}
	}
	return found
}

// rules are the rules of iptables about a port or an address.
func rules(t *testing.T) string {
	t.Helper()
	var found []string
	for line := range strings.Lines(run(t, netns.None(), "iptables-save")) {
		if strings.Contains(line, "8001") || strings.Contains(line, "10.88.0.2") {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}

// A vassal is reached by its address and by its published port, and after DEL nothing is left.
func TestAttachment(t *testing.T) {
	if !isolated(t) {
		return
	}
	n, leased := setUp(t, t.TempDir(), io.Discard)
	ns := newNetns(t)
	t.Setenv("SECRET", "of the emperor")
	a, err := n.Add(t.Context(), request(ns, "shop.ini"))
	if err != nil {
		t.Fatal(err)
	}
	own := netip.MustParseAddr("10.88.0.2")
	if len(a.Addresses) != 1 || a.Addresses[0] != own || len(a.Gateways) != 1 || a.Gateways[0].String() != "10.88.0.1" || a.Servers[0].String() != "10.88.0.53" {
		t.Errorf("the attachment is %+v", a)
	}
	if out := run(t, netns.None(), "ip", "-o", "link", "show", a.HostInterface); !strings.Contains(out, "master cni-office") {
		t.Errorf("the other end is %s", out)
	}
	run(t, ns, "ip", "link", "set", "lo", "up")
	var l net.Listener
	if err := inside(ns, func() (err error) { l, err = net.Listen("tcp", ":80"); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "shop")
			c.Close()
		}
	}()
	for _, to := range []string{"10.88.0.2:80", "10.88.0.1:8001"} {
		c, err := net.DialTimeout("tcp", to, patience)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		if b, err := io.ReadAll(c); err != nil || string(b) != "shop" {
			t.Errorf("%s answers %q, %v", to, b, err)
		}
		c.Close()
	}
	if err := a.Del(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out := run(t, netns.None(), "ip", "-o", "link"); strings.Contains(out, "veth") {
		t.Errorf("left: %s", out)
	}
	if left := leases(t, leased); len(left) > 0 {
		t.Errorf("addresses are left: %s", left)
	}
	if left := rules(t); left != "" {
		t.Errorf("rules are left: %s", left)
	}
	if left, err := n.Recorded(); err != nil || len(left) > 0 {
		t.Errorf("records are left: %v, %v", left, err)
	}
}

// CHECK finds what another program has removed.
func TestCheck(t *testing.T) {
	if !isolated(t) {
		return
	}
	dir := t.TempDir()
	config := fmt.Sprintf(`{"cniVersion":"1.0.0","name":"lab","plugins":[{"type":"bridge","isGateway":true,"ipam":{"type":"host-local","dataDir":%q,"subnet":"10.89.0.0/24"}}]}`, dir+"/leases")
	if err := os.WriteFile(filepath.Join(dir, "10.conflist"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), Config{ConfDirs: []string{dir}, PluginDirs: []string{pluginDir}, Dir: filepath.Join(dir, "record"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ns := newNetns(t)
	a, err := n.Add(t.Context(), Request{Network: "lab", Emperor: "0123456789ab", Vassal: "a.ini", Interface: "eth0", Netns: ns})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Check(t.Context()); err != nil {
		t.Error(err)
	}
	run(t, ns, "ip", "address", "flush", "dev", "eth0")
	if err := a.Check(t.Context()); err == nil || !strings.Contains(err.Error(), `the CNI network "lab" reports`) {
		t.Errorf("a check without the address: %v", err)
	}
	if err := a.Del(t.Context()); err != nil {
		t.Error(err)
	}
}

// The next emperor removes the attachment of one that was killed, during an attachment or later.
func TestAttachmentsOfAKilledEmperor(t *testing.T) {
	if !isolated(t) {
		return
	}
	dir := t.TempDir()
	n, leased := setUp(t, dir, io.Discard)
	ns := openNetns(t)
	if _, err := n.Add(t.Context(), request(ns, "shop.ini")); err != nil {
		t.Fatal(err)
	}
	ns.Close() // the vassal is dead, and its namespace with it
	var log bytes.Buffer
	next, _ := setUp(t, dir, &log)
	if left := leases(t, leased); len(left) > 0 || log.Len() > 0 {
		t.Errorf("addresses are left: %s; the log has %s", left, log.String())
	}
	if left := rules(t); left != "" {
		t.Errorf("rules are left: %s", left)
	}
	if left, err := next.Recorded(); err != nil || len(left) > 0 {
		t.Errorf("records are left: %v, %v", left, err)
	}
}

// Each failure names the network and the reason, and leaves nothing.
func TestAttachmentsThatFail(t *testing.T) {
	if !isolated(t) {
		return
	}
	dir := t.TempDir()
	n, leased := setUp(t, dir, io.Discard)
	ns := newNetns(t)
	file, err := os.Open("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	late, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("it takes too long"))
	for what, c := range map[string]struct {
		ctx    context.Context
		change func(*Request)
		want   string
	}{
		"an unknown network":  {t.Context(), func(r *Request) { r.Network = "home" }, `there is no CNI network "home" in`},
		"a path":              {t.Context(), func(r *Request) { r.Network = "../office" }, "cannot be a CNI network"},
		"no such capability":  {t.Context(), func(r *Request) { r.Capabilities = map[string]any{Bandwidth: Rate{IngressRate: 1}} }, "network-limit needs"},
		"a file":              {t.Context(), func(r *Request) { r.Netns = netns.NsHandle(file.Fd()) }, "not a network namespace"},
		"no time":             {late, func(*Request) {}, "it takes too long"},
		"an address of other": {t.Context(), func(r *Request) { r.Capabilities[IPs] = []string{"192.0.2.7/24"} }, `cannot attach it to the CNI network "office"`},
	} {
		r := request(ns, "shop.ini")
		c.change(&r)
		if _, err := n.Add(c.ctx, r); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
		if left, err := n.Recorded(); err != nil || len(left) > 0 || len(leases(t, leased)) > 0 || rules(t) != "" {
			t.Errorf("%s leaves %v, %v, %v, %s", what, left, err, leases(t, leased), rules(t))
		}
	}
}

// Plugins see nothing of the emperor's environment, and the namespace as a descriptor.
func TestPlugins(t *testing.T) {
	if !isolated(t) {
		return
	}
	dir := t.TempDir()
	script := "#!/bin/sh\nenv | sort >" + dir + "/env\nreadlink $CNI_NETNS >" + dir + "/netns\necho '{\"cniVersion\":\"1.0.0\",\"code\":7,\"msg\":\"no cable\"}'\nexit 1\n"
	for name, text := range map[string]string{"broken": script, "10.conflist": `{"cniVersion":"1.0.0","name":"lab","plugins":[{"type":"broken"}]}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	n, err := Open(t.Context(), Config{ConfDirs: []string{dir}, PluginDirs: []string{dir}, Dir: filepath.Join(dir, "record"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SECRET", "of the emperor")
	ns := newNetns(t)
	r := Request{Network: "lab", Emperor: "0123456789ab", Vassal: "$(x).ini", Interface: "eth0", Netns: ns}
	if _, err := n.Add(t.Context(), r); err == nil || !strings.Contains(err.Error(), "no cable") {
		t.Errorf("the error is %v", err)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil || strings.Contains(string(env), "SECRET") || !strings.Contains(string(env), "CNI_COMMAND=DEL") || strings.Contains(string(env), "$(x)") {
		t.Errorf("the environment is %s, %v", env, err)
	}
	var want unix.Stat_t
	if err := unix.Fstat(int(ns), &want); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "netns")); err != nil || strings.TrimSpace(string(got)) != fmt.Sprintf("net:[%d]", want.Ino) {
		t.Errorf("the namespace is %q, %v, want %d", got, err, want.Ino)
	}
	if left, err := n.Recorded(); err != nil || len(left) != 1 {
		t.Errorf("an attachment that cannot be removed is not recorded: %v, %v", left, err)
	}
}
