package seccomp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// like has the form of Docker's default profile.
const like = `{
	"defaultAction": "SCMP_ACT_ERRNO",
	"defaultErrnoRet": 1,
	"archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}],
	"syscalls": [
		{"names": ["read", "write", "openat", "arm_fadvise64_64", "chown32", "set_tls"], "action": "SCMP_ACT_ALLOW"},
		{"names": ["process_vm_readv"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
		{"names": ["mseal"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "9.1"}},
		{"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}]},
		{"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 4294967295, "op": "SCMP_CMP_EQ"}]},
		{"names": ["bpf", "mount"], "action": "SCMP_ACT_ALLOW", "args": [], "comment": "", "includes": {"caps": ["CAP_SYS_ADMIN"]}, "excludes": {}},
		{"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
			"excludes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["s390", "s390x"]}},
		{"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
		{"names": ["reboot"], "action": "SCMP_ACT_KILL_PROCESS"},
		{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_NE"}, {"index": 1, "value": 5, "op": "SCMP_CMP_LT"}]},
		{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "value": 4294967296, "op": "SCMP_CMP_GT"}]},
		{"names": ["fcntl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "value": 3, "op": "SCMP_CMP_GE"}, {"index": 2, "value": 9, "op": "SCMP_CMP_LE"}]},
		{"names": ["prctl"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 4, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 15, "op": "SCMP_CMP_EQ"}]}
	]
}`

// The first rule that applies decides about a call; comparisons are of 64 bits.
func TestCompile(t *testing.T) {
	const permitted, refused = unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_ERRNO | 1
	code := map[bool][]unix.SockFilter{}
	for _, admin := range []bool{false, true} {
		var err error
		code[admin], err = Compile("like.json", []byte(like), Host{Kernel: [2]int{6, 1}, Holds: func(one string) bool { return admin && one == "sys_admin" }})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		admin bool
		call  string
		args  []uint64
		want  uint32
	}{
		{false, "read", nil, permitted},
		{false, "openat", nil, permitted},
		{false, "close", nil, refused},
		{false, "mseal", nil, refused},
		{false, "process_vm_readv", nil, permitted},
		{false, "reboot", nil, unix.SECCOMP_RET_KILL_PROCESS},
		{false, "personality", []uint64{0}, permitted},
		{false, "personality", []uint64{0xffffffff}, permitted},
		{false, "personality", []uint64{8}, refused},
		{false, "personality", []uint64{1 << 32}, refused},
		{false, "mount", nil, refused},
		{true, "mount", nil, permitted},
		{false, "clone3", nil, unix.SECCOMP_RET_ERRNO | 38},
		{true, "clone3", nil, refused},
		{false, "clone", []uint64{0x11}, permitted},
		{false, "clone", []uint64{0x10000000}, refused},
		{true, "clone", []uint64{0x11}, refused},
		{false, "socket", []uint64{2, 1}, permitted},
		{false, "socket", []uint64{40, 1}, refused},
		{false, "socket", []uint64{2, 5}, refused},
		{false, "socket", []uint64{40 | 1<<40, 4}, permitted},
		{false, "socket", []uint64{2, 1 << 33}, refused},
		{false, "ioctl", []uint64{0, 1 << 32}, refused},
		{false, "ioctl", []uint64{0, 1<<32 + 1}, permitted},
		{false, "ioctl", []uint64{0, 7}, refused},
		{false, "fcntl", []uint64{0, 3, 9}, permitted},
		{false, "fcntl", []uint64{0, 2, 9}, refused},
		{false, "fcntl", []uint64{0, 3, 10}, refused},
		{false, "fcntl", []uint64{0, 1 << 32, 0}, permitted},
		{false, "fcntl", []uint64{0, 3, 1 << 32}, refused},
		{false, "prctl", []uint64{4}, permitted},
		{false, "prctl", []uint64{15}, permitted},
		{false, "prctl", []uint64{16}, refused},
	} {
		number := numbers()[c.call]
		if got := run(t, code[c.admin], number, c.args); got != c.want {
			t.Errorf("%s %v, as root %v: %#x, not %#x", c.call, c.args, c.admin, got, c.want)
		}
	}
}

// run executes classic BPF as the kernel does for a system call.
func run(t *testing.T, code []unix.SockFilter, number uint32, args []uint64) uint32 {
	t.Helper()
	data := make([]byte, 64)
	binary.LittleEndian.PutUint32(data, number)
	for i, v := range args {
		binary.LittleEndian.PutUint64(data[firstArg+8*i:], v)
	}
	a := uint32(0)
	for at := 0; at < len(code); at++ {
		i := code[at]
		holds := false
		switch i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = binary.LittleEndian.Uint32(data[i.K:])
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			a &= i.K
			continue
		case unix.BPF_RET | unix.BPF_K:
			return i.K
		case unix.BPF_JMP | unix.BPF_JA:
			at += int(i.K)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			holds = a == i.K
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			holds = a > i.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			holds = a >= i.K
		default:
			t.Fatalf("instruction %#x", i.Code)
		}
		if holds {
			at += int(i.Jt)
		} else {
			at += int(i.Jf)
		}
	}
	t.Fatal("the code has no end")
	return 0
}

// Mistakes have the line of their word, and a remedy.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"{\n\"defaultAction\": \"SCMP_ACT_ALOW\"}":   `p.json:2: defaultAction: unknown action "SCMP_ACT_ALOW" (did you mean SCMP_ACT_ALLOW`,
		"{\n\"defaultAction\": \"SCMP_ACT_NOTIFY\"}": "p.json:2: defaultAction: SCMP_ACT_NOTIFY: no program decides about system calls here (SCMP_ACT_ERRNO)",
		"{\n}":    "p.json:1: defaultAction: it is missing (such as SCMP_ACT_ERRNO)",
		"{\n\n!}": "p.json:3: it is no JSON: ",
		"[]":      "p.json:1: it is a list and not an object",
		"":        "p.json:1: it is no JSON: EOF",
		"{} {}":   "p.json:1: it is no JSON: there is more text behind the object",
		`{"defaultAction": "SCMP_ACT_ALLOW", "sycalls": []}`:                                                 "p.json:1: sycalls: no key of a profile (there are ",
		`{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]}`:                                                `p.json:1: flags: unknown flag "X"`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["X86"]}`:                                      `p.json:1: architectures: unknown architecture "X86" (such as SCMP_ARCH_X86_64)`,
		`{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": "EPERM"}`:                                    "p.json:1: defaultErrnoRet: it is no number of an error (such as 1, which is EPERM)",
		entry(`"names": ["mkdri"], "action": "SCMP_ACT_ALLOW"`):                                              `p.json:3: names: unknown system call "mkdri" (did you mean mkdir`,
		entry(`"names": "mkdir", "action": "SCMP_ACT_ALLOW"`):                                                "p.json:3: names: it is a text and not a list",
		entry(`"names": ["mkdir"]`):                                                                          "p.json:3: action: it is missing (such as SCMP_ACT_ALLOW)",
		entry(`"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 6, "op": "SCMP_CMP_EQ"}]`): "p.json:3: index: a system call has 6 arguments (0 to 5)",
		entry(`"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1, "op": "EQ"}]`):          "p.json:3: op: unknown comparison EQ",
		entry(`"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 1}]`):                      "p.json:3: op: it is missing (such as SCMP_CMP_EQ)",
		entry(`"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "includes": {"cap": []}`):                     "p.json:3: cap: no key of a profile (there are arches, caps, minKernel)",
		entry(`"names": ["mkdir"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "new"}`):            `p.json:3: minKernel: "new" is no version of Linux (such as 4.8)`,
	} {
		if _, err := Compile("p.json", []byte(text), Host{}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s\n  %v\nnot %s", text, err, want)
		}
	}
}

func entry(text string) string {
	return fmt.Sprintf("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [\n\n{%s}]}", text)
}

// Numbers of the table are the kernel's.
func TestTable(t *testing.T) {
	for name, want := range map[string]uint32{"read": unix.SYS_READ, "seccomp": unix.SYS_SECCOMP, "clone3": unix.SYS_CLONE3, "execve": unix.SYS_EXECVE, "chown32": missing} {
		if got := numbers()[name]; got != want {
			t.Errorf("%s is %d, not %d", name, got, want)
		}
	}
	if len(numbers()) < 500 {
		t.Errorf("%d names", len(numbers()))
	}
}

func FuzzCompile(f *testing.F) {
	f.Add([]byte(like))
	f.Fuzz(func(t *testing.T, text []byte) {
		code, err := Compile("p.json", text, Host{})
		if (err == nil) == (len(code) == 0) {
			t.Errorf("%d instructions, %v", len(code), err)
		}
	})
}
