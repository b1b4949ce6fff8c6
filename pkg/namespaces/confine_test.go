package namespaces

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestLimitsOfASleeper(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 4001, Gid: 4002, Groups: []uint32{4003, 4004}}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	l, err := LimitsOf(cmd.Process.Pid, false)
	if err != nil {
		t.Fatal(err)
	}
	if l.UID != 4001 || l.GID != 4002 || !slices.Equal(l.Groups, []uint32{4003, 4004}) || l.NoNewPrivs || l.Bounding == 0 {
		t.Errorf("%+v", l)
	}
	if l, err := LimitsOf(cmd.Process.Pid, true); err != nil || l.UID != 4001 {
		t.Errorf("in its own user namespace, which is ours: %+v, %v", l, err)
	}
}

// A process that executes one program after the other can be read at any moment.
func TestLimitsDuringExec(t *testing.T) {
	script := filepath.Join(t.TempDir(), "again")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec \"$0\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(script)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	for range 3000 {
		if _, err := LimitsOf(cmd.Process.Pid, false); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLimitsOfNobody(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := LimitsOf(cmd.Process.Pid, false); err == nil || !strings.Contains(err.Error(), "cannot read the rights") {
		t.Errorf("of a process that is gone: %v", err)
	}
}

// When the ids of a process differ, the id with fewer rights counts.
func TestOwnID(t *testing.T) {
	for ids, want := range map[string]uint32{
		"0\t0\t0\t0": 0, "4001\t4001\t4001\t4001": 4001, "4001\t0\t0\t0": 4001, "0\t33\t0\t33": 33, "0\t0\t33\t0": 33, "4001\t33\t33\t33": 4001,
	} {
		var id uint32
		differ := false
		if err := own(&id, &differ)(ids); err != nil || id != want || differ == (strings.Count(ids, ids[:strings.Index(ids, "\t")]) == 4) {
			t.Errorf("%q: %d, %v, %v; want %d", ids, id, differ, err, want)
		}
	}
	for _, ids := range []string{"", "0", "0 0 0", "0 0 0 0 0"} {
		if err := own(new(uint32), new(bool))(ids); err == nil {
			t.Errorf("%q are four ids", ids)
		}
	}
}

func TestAuxiliaryVector(t *testing.T) {
	wide, narrow := []byte{}, []byte{}
	for _, word := range []uint64{6, uint64(os.Getpagesize()), 23, 1, 31, 4096, 0, 0} {
		wide = binary.NativeEndian.AppendUint64(wide, word)
		narrow = binary.NativeEndian.AppendUint32(narrow, uint32(word))
	}
	for _, tt := range []struct {
		vector []byte
		size   int
		ok     bool
	}{{wide, 8, true}, {narrow, 4, true}, {narrow, 8, false}, {wide, 4, false}, {wide[:16], 8, false}, {wide[:32], 8, false}, {nil, 8, false}} {
		if secure, ok := auxiliary(tt.vector, tt.size); ok != tt.ok || ok && secure != 1 {
			t.Errorf("%x in words of %d: %d, %v", tt.vector, tt.size, secure, ok)
		}
	}
	if err := gainsNothing(os.Getpid()); err != nil {
		t.Errorf("of this process: %v", err)
	}
}

func TestMappedID(t *testing.T) {
	const table = "         0       1000          1\n         1     100000      65536\n"
	for id, want := range map[uint32]uint32{1000: 0, 100000: 1, 165535: 65536} {
		if got, err := mappedID(table, id); err != nil || got != want {
			t.Errorf("%d is %d, %v; want %d", id, got, err, want)
		}
	}
	for _, id := range []uint32{0, 999, 1001, 165536} {
		if got, err := mappedID(table, id); err == nil {
			t.Errorf("%d is %d", id, got)
		}
	}
}

// confined is the role of a process that takes on the limits of the process whose pid is in
// its environment, and returns the rights of a program that it executes then.
func confined() (any, error) {
	pid, err := strconv.Atoi(os.Getenv("MODEL"))
	if err != nil {
		return nil, err
	}
	l, err := LimitsOf(pid, false)
	if err == nil {
		err = l.Confine()
	}
	if err != nil {
		return nil, err
	}
	program := exec.Command("sleep", "1000")
	if err := program.Start(); err != nil {
		return nil, err
	}
	defer func() { _ = program.Process.Kill(); _ = program.Wait() }()
	// Until the execve is over, it is as unreadable for this user as this process is.
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		got, err := LimitsOf(program.Process.Pid, false)
		if !errors.Is(err, os.ErrPermission) || time.Now().After(end) {
			return got, err
		}
	}
}

// A program of a confined process has the rights of the confining process, also when that is
// root or has capabilities.
func TestConfine(t *testing.T) {
	needRoot(t)
	for name, args := range map[string][]string{
		"user":         {"--reuid=4001", "--regid=4002", "--groups=4003,4004"},
		"capability":   {"--reuid=4001", "--regid=4002", "--clear-groups", "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service", "--bounding-set=-all,+net_bind_service,+chown"},
		"limited root": {"--inh-caps=-all", "--bounding-set=-all,+chown,+kill", "--no-new-privs", "--clear-groups"},
		"root":         {"--clear-groups"},
		"its own user": {"--reuid=4001", "--regid=4001", "--clear-groups", "--no-new-privs"},
	} {
		t.Run(name, func(t *testing.T) {
			model := exec.Command("setpriv", append(args, "sleep", "1000")...)
			if err := model.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = model.Process.Kill(); _ = model.Wait() }()
			eventually(t, "setpriv has become sleep", func() bool {
				text, _ := os.ReadFile("/proc/" + strconv.Itoa(model.Process.Pid) + "/comm")
				return string(text) == "sleep\n"
			})
			want, err := LimitsOf(model.Process.Pid, false)
			if err != nil {
				t.Fatal(err)
			}
			if l := &want.Resources[unix.RLIMIT_NOFILE]; l.Max-l.Cur <= 1 {
				l.Cur = min(l.Cur, defaultSoft)
			}
			c := Command{Env: []string{"MODEL=" + strconv.Itoa(model.Process.Pid), "PATH=" + os.Getenv("PATH")}}
			if name == "its own user" { // an emperor without root
				self, err := os.Open("/proc/self/exe")
				if err != nil {
					t.Fatal(err)
				}
				defer self.Close()
				if c.Path, err = exec.LookPath("setpriv"); err != nil {
					t.Fatal(err)
				}
				c.Args, c.Files = append(append([]string{"setpriv"}, args[:3]...), "/proc/self/fd/3"), []*os.File{self}
			}
			var got Limits
			act(t, newSpawner(t), "confined", c).finish(&got)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("it is\n%+v, want\n%+v", got, want)
			}
		})
	}
}
