package bootlist

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/birthlimit"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Serve needs the main thread.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	if IsServer() {
		if path, _ := os.Executable(); filepath.Base(path) == mute {
			_ = unix.Shutdown(socketFD, unix.SHUT_WR) // it dies between the fork and its answer
		}
		if err := Serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// mute is the name of the program whose server never answers.
const mute = "mute"

// newForker returns a Forker whose program is this test.
func newForker(t *testing.T) *Forker {
	t.Helper()
	f := &Forker{Spawner: namespaces.NewSpawner(), Program: os.Args[0]}
	t.Cleanup(func() {
		f.Close()
		f.Spawner.Close()
	})
	return f
}

// life is a child of a test with its ends of a pipe and of the order channel.
type life struct {
	t       *testing.T
	list    *List
	process *namespaces.Process
	output  *os.File
	orders  int
}

// begin starts a list with standard output and a channel at 3.
func begin(t *testing.T, f *Forker, made namespaces.Flags, prepare func(*List)) *life {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	l := &List{Files: []*os.File{null, w, w, theirs}, Report: 3}
	prepare(l)
	p, err := f.Start(l, made, 0)
	for _, file := range []*os.File{null, w, theirs} {
		file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	child := &life{t, l, p, r, pair[0]}
	t.Cleanup(func() {
		_ = p.Signal(syscall.SIGKILL)
		_, _ = p.Wait()
		p.Close()
		r.Close()
		unix.Close(pair[0])
	})
	return child
}

// failed returns the step and the error that the child has reported; empty: none.
func (c *life) failed() (step, why string) {
	c.t.Helper()
	message := make([]byte, 64)
	for {
		n, _, err := unix.Recvfrom(c.orders, message, 0)
		if err != nil {
			c.t.Fatal(err)
		} else if n == 0 {
			return "", ""
		}
		if at, errno, ok := Failed(message[:n]); ok {
			step, err := c.list.Explain(at, errno)
			return step, err.Error()
		}
	}
}

// end returns the output and the exit status.
func (c *life) end() (string, namespaces.ExitStatus) {
	c.t.Helper()
	text, err := io.ReadAll(c.output)
	if err != nil {
		c.t.Fatal(err)
	}
	status, err := c.process.Died()
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text), status
}

const all = namespaces.NewPID | namespaces.NewUTS | namespaces.NewNet | namespaces.NewIPC | namespaces.NewMount

func needRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make namespaces")
	}
}

// A child is the first process of its namespaces, with the ids, the groups, the limits and the
// attributes of its list, without a blocked signal and without another descriptor.
func TestBoot(t *testing.T) {
	needRoot(t)
	c := begin(t, newForker(t), all, func(l *List) {
		l.Step("seal descriptors")
		l.Seal()
		l.Session()
		l.Keyring()
		l.Step("prepare mounts")
		l.Mounts(all)
		l.Step("limit resources")
		l.Resource(unix.RLIMIT_CORE, 0, 4096, because("core"))
		l.Step("drop privileges")
		l.Become(namespaces.Credentials{UID: 4001, GID: 4002, Groups: []uint32{4002, 77}})
		l.Deathsig(syscall.SIGKILL)
		l.Step("no new privileges")
		l.NoNewPrivileges(because("none"))
		l.Step("change directory")
		l.Umask(0o27)
		l.Enter("/usr", because("enter"))
		l.Step("become another program")
		l.MayExecute("/bin/sh", because("find"))
		l.Heed(3)
		l.Exec("/bin/sh", []string{"sh", "-c", `echo $$ $PWD $A; id -u; id -g; id -G; umask; ulimit -c -H; grep -E "SigBlk|SigIgn|NoNewPrivs|CapPrm|^NSsid" /proc/self/status; ls /proc/self/fd; wc -l </proc/net/dev`}, []string{"PATH=/bin:/usr/bin", "A=two words"}, because("exec"))
	})
	text, status := c.end()
	if step, why := c.failed(); step != "" {
		t.Errorf("%s: %s", step, why)
	}
	own, err := os.ReadFile("/proc/self/status") // make(1) ignores a signal of the C library in its programs
	if err != nil {
		t.Fatal(err)
	}
	want := "1 /usr two words\n4001\n4002\n4002 77\n0027\n8\nNSsid:\t1\nSigBlk:\t0000000000000000\n" + string(regexp.MustCompile(`SigIgn:.*\n`).Find(own)) +
		"CapPrm:\t0000000000000000\nNoNewPrivs:\t1\n0\n1\n2\n3\n3\n" // 3 is the directory that ls reads
	if status.Code != 0 || text != want {
		t.Errorf("%q, %v; want %q", text, status, want)
	}
}

// Directories of the kernel that show the host are empty, without permissions and read-only; the cgroups stay where they were.
func TestHidden(t *testing.T) {
	needRoot(t)
	script := `for d in /sys/firmware /proc/acpi /proc/asound /proc/scsi; do
test ! -e $d || echo $(stat -c %a $d) $(ls $d | wc -l) $(touch $d/x 2>&1 | grep -o "Read-only")
done | sort -u; ls /sys/fs/cgroup`
	c := begin(t, newForker(t), all, func(l *List) {
		l.Mounts(all)
		l.Exec("/bin/sh", []string{"sh", "-c", script}, []string{"PATH=/bin:/usr/bin"}, because("exec"))
	})
	groups, err := exec.Command("ls", "/sys/fs/cgroup").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, status := c.end()
	if want := "0 0 Read-only\n" + string(groups); status.Code != 0 || text != want {
		t.Errorf("%q, %v; want %q", text, status, want)
		t.Log(c.failed())
	}
}

// A file is mounted read-only on another one, if it exists. The calls after it are made in both cases.
func TestBind(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	file := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	source, target, other := file("source"), file("target"), file("other")
	c := begin(t, newForker(t), all, func(l *List) {
		l.Mounts(all)
		l.Bind(source, target)
		l.Bind(filepath.Join(dir, "missing"), other)
		l.Enter("/usr", because("enter"))
		l.Exec("/bin/sh", []string{"sh", "-c", `cat "$@"; echo x 2>/dev/null >>"$1" && echo written; pwd`, "sh", target, other}, []string{"PATH=/bin:/usr/bin"}, because("exec"))
	})
	if text, status := c.end(); status.Code != 0 || text != "source\nother\n/usr\n" {
		t.Errorf("%q, %v", text, status)
		t.Log(c.failed())
	}
	c = begin(t, newForker(t), all, func(l *List) {
		l.Step("prepare mounts")
		l.Mounts(all)
		l.Bind(source, filepath.Join(dir, "missing"))
		l.Exec("/bin/true", []string{"true"}, nil, because("exec"))
	})
	if _, status := c.end(); status.Code != 1 {
		t.Errorf("without a target: %v", status)
	}
}

// A child has no other capabilities than the limit allows, also in its bounding set.
func TestBound(t *testing.T) {
	needRoot(t)
	c := begin(t, newForker(t), 0, func(l *List) {
		if err := l.Bound(1<<unix.CAP_CHOWN | 1<<unix.CAP_KILL); err != nil {
			t.Fatal(err)
		}
		l.Become(namespaces.Credentials{UID: 4001, GID: 4002})
		l.Exec("/bin/grep", []string{"grep", "^Cap", "/proc/self/status"}, nil, because("exec"))
	})
	text, status := c.end()
	const none = "0000000000000000\n"
	if want := "CapInh:\t" + none + "CapPrm:\t" + none + "CapEff:\t" + none + "CapBnd:\t0000000000000021\nCapAmb:\t" + none; status.Code != 0 || text != want {
		t.Errorf("%v: %q, want %q", status, text, want)
		t.Log(c.failed())
	}
}

// A child keeps the wanted capabilities over the change of its ids, for its program too, and can get no others.
func TestKeep(t *testing.T) {
	needRoot(t)
	keep := namespaces.Capabilities(1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_SYS_NICE)
	boot := func(l *List) {
		l.Become(namespaces.Credentials{UID: 4001, GID: 4002, Keep: &keep})
		l.Exec("/bin/grep", []string{"grep", "^Cap", "/proc/self/status"}, nil, because("exec"))
	}
	c := begin(t, newForker(t), 0, boot)
	text, status := c.end()
	const all = "0000000000800400\n"
	if want := "CapInh:\t" + all + "CapPrm:\t" + all + "CapEff:\t" + all + "CapBnd:\t" + all + "CapAmb:\t" + all; status.Code != 0 || text != want {
		t.Errorf("%v: %q, want %q", status, text, want)
		t.Log(c.failed())
	}
	keep = 1 << 62
	var l List
	boot(&l)
	if _, err := l.encode(0, false); !errors.Is(err, ErrUnfit) {
		t.Errorf("a capability that this process does not have: %v", err)
	}
}

// A parked child goes on with the message of its peer.
func TestPark(t *testing.T) {
	c := begin(t, newForker(t), 0, func(l *List) {
		l.Park(3)
		l.Exec("/bin/echo", []string{"echo", "on"}, nil, because("exec"))
	})
	if _, dead := c.process.DiedWithin(50 * time.Millisecond); dead {
		t.Fatal("it did not wait")
	}
	if err := unix.Send(c.orders, []byte{1}, 0); err != nil {
		t.Fatal(err)
	}
	if text, status := c.end(); text != "on\n" || status.Code != 0 {
		t.Errorf("%q, %v", text, status)
	}
}

// A child whose order is withdrawn ends without output, and so does one that is asked to stop before
// it executes its program.
func TestWithdrawn(t *testing.T) {
	for name, end := range map[string]func(orders int){
		"parked":       func(orders int) { _ = unix.Shutdown(orders, unix.SHUT_RDWR) },
		"told to stop": func(orders int) { _ = errors.Join(unix.Send(orders, []byte{0}, 0), unix.Send(orders, []byte{1}, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			child := begin(t, newForker(t), 0, func(l *List) {
				if name == "parked" {
					l.Park(3)
				} else {
					l.Park(3)
					l.add(nil, attempt, unix.SYS_RECVFROM, number(3), l.bytes(make([]byte, 8)), number(8), number(unix.MSG_PEEK)) // waits for the second
					l.Heed(3)
				}
				l.Exec("/bin/echo", []string{"echo", "on"}, nil, because("exec"))
			})
			end(child.orders)
			if text, status := child.end(); text != "" || status != (namespaces.ExitStatus{}) {
				t.Errorf("%q, %v", text, status)
			}
		})
	}
}

// The first call that fails ends the child, which names it. A call without the effect that it is
// there for fails, too.
func TestFailures(t *testing.T) {
	needRoot(t)
	for want, prepare := range map[string]func(*List){
		"enter: cannot go: no such file or directory": func(l *List) {
			l.Step("enter")
			l.Enter("/no/such", because("cannot go"))
		},
		"drop: cannot set gid 4294967295: invalid argument": func(l *List) {
			l.Step("drop")
			l.add(because("cannot set gid %d", ^uint32(0)), succeeds, unix.SYS_SETGID, number(^uint32(0)))
		},
		"verify: cannot verify credentials: " + errUnexpected.Error(): func(l *List) {
			l.Step("verify")
			l.verify(namespaces.Credentials{UID: 4001}, nil) // nothing was dropped
		},
		"program: cannot run: permission denied": func(l *List) {
			l.Step("program")
			l.MayExecute("/etc/passwd", because("cannot run"))
		},
		"exec: cannot become it: no such file or directory": func(l *List) {
			l.Step("exec")
			l.Exec("/no/such", []string{"x"}, nil, because("cannot become it"))
		},
	} {
		t.Run(want, func(t *testing.T) {
			c := begin(t, newForker(t), 0, func(l *List) {
				prepare(l)
				l.Exec("/bin/echo", []string{"echo", "on"}, nil, because("exec"))
			})
			text, status := c.end()
			step, why := c.failed()
			if got := step + ": " + why; got != want || text != "" || status.Code != 1 {
				t.Errorf("%q, %q, %v", got, text, status)
			}
		})
	}
}

// When the process that forks is killed, its children live on, and the next one is forked by
// another.
func TestServerKilled(t *testing.T) {
	f := newForker(t)
	asleep := func(l *List) {
		l.Exec("/bin/sleep", []string{"sleep", "1000"}, nil, because("exec"))
	}
	first := begin(t, f, 0, asleep)
	if err := f.server.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := f.server.Died(); err != nil {
		t.Fatal(err)
	}
	second := begin(t, f, 0, asleep)
	if first.process.Dead() || second.process.Dead() {
		t.Error("a child has died")
	}
}

// A child whose server dies before its answer is killed and reaped, before Start reports that there
// is none. A server that was stopped is killed.
func TestNoAnswer(t *testing.T) {
	f := newForker(t)
	f.Program = filepath.Join(t.TempDir(), mute)
	if err := os.Link(os.Args[0], f.Program); err != nil {
		text, err := os.ReadFile(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Program, text, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	sentinel := filepath.Join(t.TempDir(), "ran")
	list := func() *List {
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { null.Close() })
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		theirs := os.NewFile(uintptr(pair[1]), "theirs")
		t.Cleanup(func() { unix.Close(pair[0]); theirs.Close() })
		l := &List{Files: []*os.File{null, null, null, theirs}, Report: 3}
		l.Park(3)
		l.Exec("/bin/touch", []string{"touch", sentinel}, nil, because("exec"))
		return l
	}
	for range 3 {
		if _, err := f.Start(list(), 0, 0); !errors.Is(err, ErrNoServer) {
			t.Errorf("%v, want %v", err, ErrNoServer)
		}
		if left := namespaces.Children(os.Getpid()); len(left) > 0 {
			t.Errorf("processes %v are left", left)
		}
	}
	f.Program = os.Args[0]
	p, err := f.Start(list(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.server.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Start(list(), 0, 0); !errors.Is(err, ErrNoServer) {
		t.Errorf("with a stopped server: %v", err)
	}
	if left := namespaces.Children(os.Getpid()); !slices.Equal(left, []int{p.PID}) {
		t.Errorf("processes %v are left beside %d", left, p.PID)
	}
	_ = p.Signal(syscall.SIGKILL)
	_, _ = p.Wait()
	p.Close()
	if _, err := os.Stat(sentinel); err == nil {
		t.Error("a program ran")
	}
}

// A text that the kernel would cut is refused.
func TestZeroByte(t *testing.T) {
	l := &List{}
	l.Exec("/bin/true", []string{"true"}, []string{"A=b\x00c"}, nil)
	if _, err := newForker(t).Start(l, 0, 0); !errors.Is(err, ErrUnfit) {
		t.Errorf("%v", err)
	}
}

// The descriptors of this process, and its children, are the same after many starts.
func TestNothingIsLeft(t *testing.T) {
	f := newForker(t)
	count := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	start := func() {
		t.Run("child", func(t *testing.T) {
			begin(t, f, 0, func(l *List) { l.Exec("/bin/true", []string{"true"}, nil, because("exec")) }).end()
		})
	}
	start()
	before := count()
	for range 20 {
		start()
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors, and %d before", after, before)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // it closes them after its answer
		theirs, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", f.server.PID))
		if err == nil && len(theirs) <= maxFiles+1 {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("the process that forks has %d descriptors: %v", len(theirs), err)
		}
	}
}

// The child has the limit of descriptors that the process began with.
func TestDescriptorLimit(t *testing.T) {
	c := begin(t, newForker(t), 0, func(l *List) {
		l.Exec("/bin/sh", []string{"sh", "-c", "ulimit -n"}, []string{"PATH=/bin"}, because("exec"))
	})
	text, _ := c.end()
	if want := fmt.Sprintln(birthlimit.Files.Cur); text != want {
		t.Errorf("%q, want %q", text, want)
	}
}

// A message that is no request is refused, and no pointer leads outside.
func TestDecode(t *testing.T) {
	l := &List{Report: 1}
	l.Exec("/bin/true", []string{"true"}, []string{"A=b"}, nil)
	good, err := l.encode(0, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decode(slices.Clone(good)); err != nil {
		t.Errorf("a request is refused: %v", err)
	}
	for size := range good {
		if _, err := decode(slices.Clone(good[:size])); err == nil {
			t.Fatalf("%d of %d bytes are taken", size, len(good))
		}
	}
	other := slices.Clone(good)
	other[0]++
	if _, err := decode(other); err == nil {
		t.Error("a request of another version is taken")
	}
	outside := slices.Clone(good)
	(*call)(unsafe.Pointer(&outside[headSize])).found = 1 << 30
	if _, err := decode(outside); err == nil {
		t.Error("bytes outside are compared")
	}
}

// A list that does not fit into a message is refused.
func TestTooLarge(t *testing.T) {
	l := &List{}
	l.Exec("/bin/true", []string{strings.Repeat("x", maxMessage)}, nil, nil)
	if _, err := newForker(t).Start(l, 0, 0); !errors.Is(err, ErrUnfit) {
		t.Errorf("%v", err)
	}
}
