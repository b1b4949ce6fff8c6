package namespaces

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestCgroupPath(t *testing.T) {
	const (
		unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
		hybrid  = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		docker  = "30 23 0:26 /docker/c1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
	)
	tests := []struct{ mounts, cgroups, want string }{
		{unified, "0::/\n", "/sys/fs/cgroup"},
		{unified, "0::/system.slice/emperor.service\n", "/sys/fs/cgroup/system.slice/emperor.service"},
		{hybrid, "9:name=systemd:/\n1:cpu:/x\n0::/a b\n", "/sys/fs/cgroup/unified/a b"},
		{docker, "0::/docker/c1\n", "/sys/fs/cgroup"},
		{docker, "0::/docker/c1/x\n", "/sys/fs/cgroup/x"},
		{docker, "0::/docker/c12\n", ""},
		{docker + unified, "0::/other\n", "/sys/fs/cgroup/other"},
		{unified, "0::/../outside\n", ""},
		{unified, "1:cpu:/x\n", ""},
		{"32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", "0::/\n", ""},
		{"", "0::/\n", ""},
		{" - cgroup2 x", "0::/\n", ""},
	}
	for _, test := range tests {
		if got := cgroupPath(test.mounts, test.cgroups); got != test.want {
			t.Errorf("%q in %q: %q, want %q", test.cgroups, test.mounts, got, test.want)
		}
	}
}

func TestCgroupName(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{
		"", ".", "..", "a", "A", "a.ini", "a_ini", "a ini", "a\nini", "cgroup.kill", "ä", "\xff\xfe", "$(id)", `a";id>x;"`,
		strings.Repeat("x", 255), strings.Repeat("x", 254), strings.Repeat("ä", 127), strings.Repeat("\xff", 255),
	} {
		got := cgroupName(name)
		if other, twice := seen[got]; twice {
			t.Errorf("%q and %q are both %q", name, other, got)
		}
		seen[got] = name
		if len(got) > 200 || strings.ContainsAny(got, "./ \n") || !isASCII(got) {
			t.Errorf("%q gives %q", name, got)
		}
	}
	if got := cgroupName("a.ini.1"); !strings.HasPrefix(got, "a_ini_1-") {
		t.Errorf("a.ini.1 is not recognised in %q", got)
	}
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0
}

// cgroups opens a root for a test that leaves nothing in it.
func cgroups(t *testing.T) *CgroupRoot {
	t.Helper()
	r, err := OpenCgroupRoot("test-" + strconv.Itoa(os.Getpid()) + t.Name())
	if errors.Is(err, ErrNoCgroup) {
		t.Skipf("needs a cgroup v2: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Remove(); err != nil && exists(r.path) {
			t.Error(err)
		}
	})
	return r
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// A tree that has left its session and its parent is still in its cgroup.
func TestCgroupTakesTheTree(t *testing.T) {
	r := cgroups(t)
	before := descriptors(t)
	c, err := r.Create("a.ini.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Empty(within(t, patience)); err != nil {
		t.Errorf("a new one: %v", err)
	}
	p, err := newSpawner(t).Start(Command{
		Path: "/bin/sh", Args: []string{"sh", "-c", "sleep 1000 & (setsid sleep 1000 &) & wait"}, Dir: "/", Env: []string{"PATH=/usr/bin:/bin"},
		CgroupFD: c.FD(),
	})
	if err != nil {
		t.Fatal(err)
	}
	pids := func() []string { return strings.Fields(text2(filepath.Join(c.path, "cgroup.procs"))) }
	eventually(t, "three processes are in the cgroup", func() bool { return len(pids()) >= 3 })
	if err := c.Empty(within(t, 20*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with processes: %v, want %v", err, context.DeadlineExceeded)
	}
	if err := c.Remove(); err == nil {
		t.Error("removed with processes in it")
	}
	empty := make(chan error)
	go func() { empty <- c.Empty(within(t, patience)) }()
	if err := c.Kill(); err != nil {
		t.Error(err)
	}
	if err := <-empty; err != nil {
		t.Error(err)
	}
	if left := pids(); len(left) > 1 { // the zombie that we have not reaped
		t.Errorf("left are %q", left)
	}
	if err := c.Remove(); err != nil {
		t.Error(err)
	}
	if status, err := p.Wait(); err != nil || status.String() != "signal: killed" {
		t.Errorf("%v, %v", status, err)
	}
	p.Close()
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestCgroupsBelow(t *testing.T) {
	c, err := cgroups(t).Create("nested")
	if err != nil {
		t.Fatal(err)
	}
	deep := filepath.Join(c.path, "a/b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	a := sleeper(t, newSpawner(t))
	if err := os.WriteFile(filepath.Join(deep, "cgroup.procs"), []byte(strconv.Itoa(a.PID)), 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Empty(within(t, 20*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a process below: %v, want %v", err, context.DeadlineExceeded)
	}
	for _, step := range []error{c.Kill(), c.Empty(within(t, patience)), c.Remove()} {
		if step != nil {
			t.Error(step)
		}
	}
	if exists(c.path) {
		t.Errorf("%s is still there", c.path)
	}
}

func TestCreateTwice(t *testing.T) {
	r := cgroups(t)
	c, err := r.Create("a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Create("a"); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second time: %v, want %v", err, os.ErrExist)
	}
	if err := r.Remove(); err == nil {
		t.Error("the root was removed under it")
	}
	if err := c.Remove(); err != nil {
		t.Error(err)
	}
}

// An emperor that was killed leaves cgroups; the next one of the name goes on.
func TestOpenCgroupRootTakesOver(t *testing.T) {
	r := cgroups(t)
	empty, err := r.Create("empty")
	if err != nil {
		t.Fatal(err)
	}
	alive, err := r.Create("alive")
	if err != nil {
		t.Fatal(err)
	}
	a := act(t, newSpawner(t), "", Command{Path: "/bin/sleep", Args: []string{"sleep", "1000"}, CgroupFD: alive.FD()})
	again := cgroups(t)
	if again.path != r.path || exists(empty.path) || !exists(alive.path) {
		t.Errorf("root %s and %s; empty one still there: %v, the other: %v", r.path, again.path, exists(empty.path), exists(alive.path))
	}
	if state := stateOf(a.PID); state != "S" && state != "R" {
		t.Errorf("the process that lives in it: %q", state)
	}
	for _, step := range []error{alive.Kill(), alive.Empty(within(t, patience)), alive.Remove()} {
		if step != nil {
			t.Error(step)
		}
	}
	_ = empty.Remove() // closes its descriptor
}

// What the dead have left is ended and collected, and nothing else.
func TestCollectCgroups(t *testing.T) {
	prefix := "test-" + strconv.Itoa(os.Getpid()) + "-collect-"
	open := func(name string) *CgroupRoot {
		t.Helper()
		r, err := OpenCgroupRoot(prefix + name)
		if errors.Is(err, ErrNoCgroup) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = removeCgroups(r.path) })
		return r
	}
	owned, left, busy := open("owned"), open("left"), open("busy")
	inner, err := left.Create("vassal")
	if err != nil {
		t.Fatal(err)
	}
	inner.dir.Close()
	alive, err := busy.Create("vassal")
	if err != nil {
		t.Fatal(err)
	}
	a := act(t, newSpawner(t), "", Command{Path: "/bin/sleep", Args: []string{"sleep", "1000"}, CgroupFD: alive.FD()})
	stranger := filepath.Join(filepath.Dir(owned.path), prefix+"stranger")
	if err := os.Mkdir(stranger, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(stranger)
	left.lock.Close() // as death does
	busy.lock.Close()
	if err := CollectCgroups(within(t, patience), prefix); err != nil {
		t.Error(err)
	}
	if !exists(owned.path) || exists(left.path) || exists(busy.path) {
		t.Errorf("there is: the owned one %v, the left one %v, the busy one %v", exists(owned.path), exists(left.path), exists(busy.path))
	}
	if state := stateOf(a.PID); state != "Z" {
		t.Errorf("the process that lived in it: %q", state)
	}
	if !exists(stranger) {
		t.Error("a cgroup that only begins like one of ours is gone")
	}
	alive.dir.Close()
	if err := owned.Remove(); err != nil {
		t.Error(err)
	}
	if exists(owned.path) {
		t.Error("an owner cannot remove its own")
	}
}
