package dns

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/testspace"
)

const (
	// programEnv names the program that a test uses in namespaces of its own.
	programEnv = "DNS_TEST_PROGRAM"
	// patience is how long an immediate effect may take.
	patience = 20 * time.Second
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// isolated returns the responder's program in namespaces of its own, with an interface of
// loopback that is up. Otherwise it runs the test there and returns an empty string.
func isolated(t *testing.T) string {
	t.Helper()
	if testspace.Here(t) {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return os.Getenv(programEnv)
	}
	if os.Geteuid() != 0 {
		t.Skip("new network namespaces need root")
	}
	program := filepath.Join(t.TempDir(), ProgramName)
	build := exec.Command("go", "build", "-o", program, "github.com/emperor-go/emperor/cmd/emperor-dns")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	testspace.Run(t, 5*patience, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}, programEnv+"="+program)
	return ""
}

// notes is a log that a test reads.
type notes struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// resolver asks the responder at an address.
func resolver(network, at string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, net.JoinHostPort(at, "53"))
	}}
}

// lookup asks for the IPv4 address of a name, as the host.
func lookup(t *testing.T, network, name string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := resolver(network, "127.0.0.1").LookupNetIP(ctx, "ip4", name)
	if dns := new(net.DNSError); errors.As(err, &dns) && dns.IsNotFound {
		return "none"
	}
	if err != nil {
		return err.Error()
	}
	return got[0].String()
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// child returns the pid of the responder.
func child(t *testing.T) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		text, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return pid
		}
	}
	return 0
}

// The responder answers by both protocols, has no rights, and is there again after it was killed,
// with the same table.
func TestResponder(t *testing.T) {
	program := isolated(t)
	if program == "" {
		return
	}
	var log notes
	setup := Setup{Gateways: addresses("127.0.0.1", "::1"), Pool: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}, UID: User, GID: User}
	r, err := Start(program, setup, nil, filepath.Join(t.TempDir(), "empty"), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Set(Vassal{Name: "shop.ini", Addresses: addresses("10.1.0.2")})
	r.Set(Vassal{Name: "gone.ini", Addresses: addresses("10.1.0.3")})
	r.Remove("gone.ini")
	const shop, gone = "shop.emperor.internal.", "gone.emperor.internal."
	eventually(t, "the table is there", func() bool { return lookup(t, "udp", shop) == "10.1.0.2" })
	for _, network := range []string{"udp", "tcp"} {
		if got, other := lookup(t, network, shop), lookup(t, network, gone); got != "10.1.0.2" || other != "none" {
			t.Errorf("by %s: %s and %s", network, got, other)
		}
	}
	if got, err := resolver("udp", "::1").LookupAddr(t.Context(), "10.1.0.2"); err != nil || got[0] != shop {
		t.Errorf("the name of the address is %v, %v", got, err)
	}
	pid := child(t)
	checkRights(t, pid)

	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.Set(Vassal{Name: "blog.ini", Addresses: addresses("10.1.0.4")})
	eventually(t, "another process answers", func() bool { return lookup(t, "udp", "blog.emperor.internal.") == "10.1.0.4" })
	if got, other := lookup(t, "tcp", shop), lookup(t, "udp", gone); got != "10.1.0.2" || other != "none" {
		t.Errorf("afterwards: %s and %s", got, other)
	}
	if !strings.Contains(log.String(), "has ended, and is started again") {
		t.Errorf("the log has %q", log.String())
	}
	checkRights(t, child(t))
}

// checkRights checks that a process has no rights.
func checkRights(t *testing.T, pid int) {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	id := strconv.Itoa(User)
	for _, line := range []string{
		"Uid:\t" + strings.Join([]string{id, id, id, id}, "\t"), "Gid:\t" + strings.Join([]string{id, id, id, id}, "\t"), "Groups:\t",
		"NoNewPrivs:\t1", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapInh:\t0000000000000000", "CapAmb:\t0000000000000000",
	} {
		if !strings.Contains(string(status), line) {
			t.Errorf("the process does not have %q", line)
		}
	}
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/status")
	if err != nil || len(threads) < 2 {
		t.Errorf("threads are %v, %v", threads, err)
	}
	for _, thread := range threads {
		if text, err := os.ReadFile(thread); err == nil && !strings.Contains(string(text), "NoNewPrivs:\t1") {
			t.Errorf("%s has privileges to gain", thread)
		}
	}
	if root, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/root"); err != nil || !strings.HasSuffix(root, "/empty") {
		t.Errorf("its root directory is %q, %v", root, err)
	}
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil || string(environ) != "GOMAXPROCS=1\x00" {
		t.Errorf("its environment is %q, %v", environ, err)
	}
	if group, err := unix.Getpgid(pid); err != nil || group != pid {
		t.Errorf("its process group is %d, %v: signals of a terminal reach it", group, err)
	}
}

// Another nameserver of the host has the port.
func TestPortInUse(t *testing.T) {
	program := isolated(t)
	if program == "" {
		return
	}
	other, err := net.ListenPacket("udp4", "0.0.0.0:53")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_, err = Start(program, Setup{Gateways: addresses("127.0.0.1"), UID: User, GID: User}, nil, t.TempDir(), slog.New(slog.DiscardHandler))
	if !errors.Is(err, unix.EADDRINUSE) || !strings.Contains(err.Error(), "cannot answer names at 127.0.0.1:53") || !strings.Contains(err.Error(), "emperor-network-dns = off") {
		t.Errorf("the error is %v", err)
	}
}

// The error of a program that does not start has its reason.
func TestResponderThatFails(t *testing.T) {
	program := isolated(t)
	if program == "" {
		return
	}
	setup := Setup{Gateways: addresses("127.0.0.1")} // it would stay root
	if _, err := Start(program, setup, nil, t.TempDir(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "still root") {
		t.Errorf("the error is %v", err)
	}
	if _, err := Start("/nonexistent/emperor-dns", setup, nil, t.TempDir(), slog.New(slog.DiscardHandler)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the error is %v", err)
	}
	if out, err := exec.Command(program).CombinedOutput(); err == nil || !strings.Contains(string(out), "does nothing by hand") {
		t.Errorf("by hand: %v, %s", err, out)
	}
}
