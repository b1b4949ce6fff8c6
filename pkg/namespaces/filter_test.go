//go:build amd64 || arm64

package namespaces

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// decide runs the program of a filter for a system call with one word in each of the first two
// arguments.
func decide(t *testing.T, f Filter, arch, number, first, second uint32) uint32 {
	t.Helper()
	var raw []bpf.RawInstruction
	for _, i := range f.program() {
		raw = append(raw, bpf.RawInstruction{Op: i.Code, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	instructions, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the program has unknown instructions")
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 64) // struct seccomp_data, big-endian as the VM reads it
	for offset, word := range map[int]uint32{dataNumber: number, dataArch: arch, dataFirst: first, dataFirst + 8: second} {
		binary.BigEndian.PutUint32(data[offset:], word)
	}
	action, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(action)
}

func TestFilterDecides(t *testing.T) {
	const permit, refuse, missing = unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM), unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	for _, test := range []struct {
		filter                            string
		number, first, second, want, arch uint32
	}{
		{filter: "default", number: unix.SYS_READ, want: permit},
		{filter: "default", number: unix.SYS_SECCOMP, want: permit},
		{filter: "default", number: unix.SYS_BPF, want: refuse},
		{filter: "default", number: unix.SYS_MOUNT, want: refuse},
		{filter: "default", number: unix.SYS_USERFAULTFD, want: refuse},
		{filter: "default", number: unix.SYS_CLONE3, want: missing},
		{filter: "default", number: x32 + unix.SYS_READ, want: missing},
		{filter: "default", number: 1<<32 - 1, want: missing},
		{filter: "default", number: unix.SYS_CLONE, first: unix.CLONE_VM | unix.CLONE_THREAD | uint32(unix.SIGCHLD), want: permit},
		{filter: "default", number: unix.SYS_CLONE, first: unix.CLONE_NEWUSER | uint32(unix.SIGCHLD), want: refuse},
		{filter: "default", number: unix.SYS_CLONE, first: unix.CLONE_NEWCGROUP, want: refuse},
		{filter: "default", number: unix.SYS_IOCTL, second: unix.TIOCSTI, want: refuse},
		{filter: "default", number: unix.SYS_IOCTL, second: tioclinux, want: refuse},
		{filter: "default", number: unix.SYS_IOCTL, second: unix.TIOCGWINSZ, want: permit},
		{filter: "default", number: unix.SYS_READ, arch: auditArch + 1, want: unix.SECCOMP_RET_KILL_PROCESS},
		{filter: "~bpf", number: unix.SYS_BPF, want: permit},
		{filter: "~bpf", number: unix.SYS_MOUNT, want: refuse},
		{filter: "default ~@mount", number: unix.SYS_MOUNT, want: permit},
		{filter: "~@mount default", number: unix.SYS_PIVOT_ROOT, want: permit},
		{filter: "@mount", number: unix.SYS_MOUNT, want: refuse},
		{filter: "@mount", number: unix.SYS_BPF, want: permit},
		{filter: "@mount", number: unix.SYS_CLONE3, want: permit},
		{filter: "@mount", number: unix.SYS_READ, arch: auditArch + 1, want: unix.SECCOMP_RET_KILL_PROCESS},
		{filter: "~clone", number: unix.SYS_CLONE3, want: permit},
		{filter: "~clone", number: unix.SYS_CLONE, first: unix.CLONE_NEWUSER, want: permit},
		{filter: "ptrace,bpf ~bpf", number: unix.SYS_PTRACE, want: refuse},
		{filter: "ptrace,bpf ~bpf", number: unix.SYS_BPF, want: permit},
		{filter: "~tiocsti", number: unix.SYS_IOCTL, second: unix.TIOCSTI, want: permit},
		{filter: "~tiocsti", number: unix.SYS_IOCTL, second: tioclinux, want: refuse},
		{filter: "~@terminal", number: unix.SYS_IOCTL, second: tioclinux, want: permit},
	} {
		f, err := ParseFilter(test.filter)
		if err != nil {
			t.Fatal(err)
		}
		if test.arch == 0 {
			test.arch = auditArch
		}
		if got := decide(t, f, test.arch, test.number, test.first, test.second); got != test.want {
			t.Errorf("%s: call %d (%#x, %#x) of %#x: %#x, want %#x", test.filter, test.number, test.first, test.second, test.arch, got, test.want)
		}
	}
}

// TestFilterRefusesEachName: each name of a group has a number on this processor, and the default refuses it.
func TestFilterRefusesEachName(t *testing.T) {
	for _, name := range DefaultFilter() {
		number, ok := callNumber(name)
		if slices.Contains([]string{"clone", "tiocsti", "tioclinux"}, name) || !ok && slices.Contains([]string{"iopl", "ioperm"}, name) {
			continue
		}
		if !ok {
			t.Errorf("%s has no number", name)
		}
		if got := decide(t, DefaultFilter(), auditArch, number, 0, 0); got != unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM) {
			t.Errorf("%s: %#x", name, got)
		}
	}
}

func TestParseFilter(t *testing.T) {
	for text, want := range map[string]string{
		"": "no filter given", "@mounts": `unknown system call "@mounts"`, "~read": `unknown system call "read"`, "off bpf": `unknown system call "off"`, "~default": `unknown system call "default"`,
		"profile.json": `unknown system call "profile.json"`, "~": `unknown system call ""`,
	} {
		if f, err := ParseFilter(text); err == nil || err.Error() != want {
			t.Errorf("%q is %v with error %v, want %q", text, f, err, want)
		}
	}
	if f, err := ParseFilter("off"); f != nil || err != nil {
		t.Errorf("off is %v, %v", f, err)
	}
	if f, err := ParseFilter("bpf ~bpf"); f == nil || len(f) > 0 || err != nil {
		t.Errorf("a filter without calls is %v, %v: it still refuses other processors", f, err)
	}
	if got := (Filter{"bpf", "mount"}).And(Filter{"acct", "bpf"}); !slices.Equal(got, Filter{"acct", "bpf", "mount"}) {
		t.Errorf("two filters are %v", got)
	}
}

// filtered loads the default filter in a child and returns its effect on programs.
func filtered() (any, error) {
	if err := DefaultFilter().Load(false, nil); err != nil {
		return nil, err
	}
	status, err := exec.Command("cat", "/proc/self/status").Output()
	if err != nil {
		return nil, err
	}
	out, _ := exec.Command("unshare", "--user", "true").CombinedOutput()
	return []string{string(status), string(out)}, nil
}

func TestFilterIsLoaded(t *testing.T) {
	var got []string
	act(t, newSpawner(t), "filtered", Command{Env: os.Environ()}).finish(&got)
	text, _ := json.Marshal(got)
	if len(got) != 2 || !strings.Contains(got[0], "Seccomp:\t2") || !strings.Contains(got[0], "NoNewPrivs:\t1") || !strings.Contains(got[1], "Operation not permitted") {
		t.Errorf("a program has %s", text)
	}
}

// A filter counts also where the kernel does not report their number.
func TestFiltersIn(t *testing.T) {
	for text, want := range map[string]int{"Seccomp:\t2\nSeccomp_filters:\t3\n": 3, "Seccomp:\t0\nSeccomp_filters:\t0\n": 0, "Seccomp:\t2\n": 1, "Seccomp:\t0\n": 0} {
		if n, err := filtersIn([]byte(text)); err != nil || n != want {
			t.Errorf("%q: %d, %v; want %d", text, n, err, want)
		}
	}
	if _, err := filtersOf(0); err == nil {
		t.Error("no error without a process")
	}
}
