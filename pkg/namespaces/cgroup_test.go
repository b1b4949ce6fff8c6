package namespaces

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
	}
	for _, test := range tests {
		if got := shownAt(parsed(t, test.mounts), "", controllerPath(test.cgroups, "")); got != test.want {
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
		got := Digest(sha256.Sum256).name(name)
		if other, twice := seen[got]; twice {
			t.Errorf("%q and %q are both %q", name, other, got)
		}
		seen[got] = name
		if len(got) > 200 || strings.ContainsAny(got, "./ \n") || !isASCII(got) {
			t.Errorf("%q gives %q", name, got)
		}
	}
	if got := Digest(sha256.Sum256).name("a.ini.1"); !strings.HasPrefix(got, "a_ini_1-") {
		t.Errorf("a.ini.1 is not recognised in %q", got)
	}
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0
}

// cgroups opens a root and checks at the end of the test that it is empty.
func cgroups(t *testing.T) *CgroupRoot {
	t.Helper()
	r, err := OpenCgroupRoot("test-"+t.Name()+"-", sha256.Sum256)
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

// A process tree that has left its session and its parent is still in its cgroup.
func TestCgroupTakesTheTree(t *testing.T) {
	r := cgroups(t)
	before := descriptors(t)
	c, err := r.Create(CgroupWish{Name: "a.ini.1"})
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
	for _, tt := range []struct {
		pid    int
		prefix string
		want   bool
	}{{p.PID, "a.ini", true}, {p.PID, "a.", true}, {p.PID, "b.", false}, {os.Getpid(), "a.", false}} {
		caller, err := callerByPID(&unix.Ucred{Pid: int32(tt.pid)})
		if err != nil {
			t.Fatal(err)
		}
		if held, err := r.Holds(caller, tt.prefix); err != nil || held != tt.want {
			t.Errorf("process %d in %q: %v, %v, want %v", tt.pid, tt.prefix, held, err, tt.want)
		}
		caller.Close()
	}
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
	if left := pids(); len(left) > 1 { // the zombie that the test has not reaped
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
	c, err := cgroups(t).Create(CgroupWish{Name: "nested"})
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
	c, err := r.Create(CgroupWish{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Create(CgroupWish{Name: "a"}); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second time: %v, want %v", err, os.ErrExist)
	}
	if err := r.Remove(); err == nil {
		t.Error("the root was removed under it")
	}
	if err := c.Remove(); err != nil {
		t.Error(err)
	}
}

// A root that was removed while its owner lives is made again, once for all callers, and has
// an owner again.
func TestRootIsMadeAgain(t *testing.T) {
	r := cgroups(t)
	before := descriptors(t)
	renewed := 0
	r.Renewed = func(string) { renewed++ }
	was := r.path
	if err := os.Remove(was); err != nil {
		t.Fatal(err)
	}
	made := make(chan *Cgroup)
	for i := range 8 {
		go func() {
			c, err := r.Create(CgroupWish{Name: strconv.Itoa(i)})
			if err != nil {
				t.Error(err)
			}
			made <- c
		}()
	}
	for range 8 {
		if c := <-made; c != nil {
			defer func() { _ = c.Remove() }()
		}
	}
	if renewed != 1 || r.path == was || !exists(r.path) || exists(was) {
		t.Errorf("made again %d times, from %s to %s", renewed, was, r.path)
	}
	if lock, err := lockCgroup(r.path); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("locking it: %v, %v; want %v", lock, err, unix.EWOULDBLOCK)
	}
	if after := descriptors(t); after != before+8 {
		t.Errorf("%d descriptors before, %d with eight cgroups", before, after)
	}
}

// A missing cgroup in a root does not mean that the root is missing.
func TestRootThatIsThereStays(t *testing.T) {
	r := cgroups(t)
	was := r.path
	if path, err := r.renew(was); err != nil || path != was {
		t.Errorf("%s, %v; want %s", path, err, was)
	}
	if path, err := r.renew("/elsewhere"); err != nil || path != was { // another caller was faster
		t.Errorf("%s, %v; want %s", path, err, was)
	}
}

// Roots with one prefix have different names, and only their owners can lock them.
func TestRootsAreUnlikeEachOther(t *testing.T) {
	a, b := cgroups(t), cgroups(t)
	if a.path == b.path {
		t.Errorf("both are %s", a.path)
	}
	info, err := os.Stat(a.path)
	if err != nil || info.Mode().Perm() != rootMode {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	got := parseOwner(strings.TrimPrefix(filepath.Base(a.path), a.prefix))
	if got.pid != os.Getpid() || got.pidns != pidNamespace() || got.pidns == 0 || got.dead() {
		t.Errorf("%s is of %+v, dead: %v", a.path, got, got.dead())
	}
}

func TestOwners(t *testing.T) {
	tests := []struct {
		name string
		want owner
		dead bool
	}{
		{Digest(sha256.Sum256).name(owner{pid: 99999999, pidns: pidNamespace(), salt: "ab"}.String()), owner{pid: 99999999, pidns: pidNamespace(), salt: "ab"}, true},
		{Digest(sha256.Sum256).name(owner{pid: 99999999, pidns: 7, salt: "ab"}.String()), owner{pid: 99999999, pidns: 7, salt: "ab"}, false},
		{Digest(sha256.Sum256).name(owner{pid: 99999999, salt: "ab"}.String()), owner{pid: 99999999, salt: "ab"}, false},
		{Digest(sha256.Sum256).name("4711"), owner{}, false}, // names of earlier versions
		{"-1-5-ab-0", owner{}, false},
		{"1-x-ab-0", owner{}, false},
		{"0-5-ab-0", owner{}, false},
		{"", owner{}, false},
	}
	for _, test := range tests {
		if got := parseOwner(test.name); got != test.want || got.dead() != test.dead {
			t.Errorf("%q: %+v, dead: %v; want %+v, %v", test.name, got, got.dead(), test.want, test.dead)
		}
	}
}

// A child that is being cloned may hold the lock of its dead owner: that lock is waited for.
// The lock of another process is not.
func TestLocksThatAreHeld(t *testing.T) {
	r := cgroups(t)
	if lock, err := newOwner().inherit(within(t, patience), r.path); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("of one that lives: %v, %v", lock, err)
	}
	gone := owner{pid: 99999999, pidns: pidNamespace()}
	if lock, err := gone.inherit(within(t, 20*time.Millisecond), r.path); !errors.Is(err, unix.EWOULDBLOCK) {
		t.Errorf("of one that is dead, too long: %v, %v", lock, err)
	}
	type result struct {
		lock *os.File
		err  error
	}
	done := make(chan result)
	go func() {
		lock, err := gone.inherit(within(t, patience), r.path)
		done <- result{lock, err}
	}()
	select {
	case got := <-done:
		t.Errorf("did not wait: %v", got.err)
	case <-time.After(5 * burialPause):
		r.lock.Close()
		if got := <-done; got.err != nil {
			t.Error(got.err)
		} else {
			got.lock.Close()
		}
	}
}

// Roots of dead owners are emptied and removed, and no others.
func TestCollectCgroups(t *testing.T) {
	prefix := "test-" + strconv.Itoa(os.Getpid()) + "-collect-"
	open := func(name string) *CgroupRoot {
		t.Helper()
		r, err := OpenCgroupRoot(prefix+name, sha256.Sum256)
		if errors.Is(err, ErrNoCgroup) {
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = removeCgroups(r.path) })
		return r
	}
	owned, left, busy := open("owned"), open("left"), open("busy")
	inner, err := left.Create(CgroupWish{Name: "vassal"})
	if err != nil {
		t.Fatal(err)
	}
	inner.dir.Close()
	alive, err := busy.Create(CgroupWish{Name: "vassal"})
	if err != nil {
		t.Fatal(err)
	}
	a := act(t, newSpawner(t), "", Command{Path: "/bin/sleep", Args: []string{"sleep", "1000"}, CgroupFD: alive.FD()})
	stranger := filepath.Join(filepath.Dir(owned.path), prefix+"stranger")
	if err := os.Mkdir(stranger, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(stranger)
	left.lock.Close() // as the owner's death does
	busy.lock.Close()
	if err := CollectCgroups(within(t, patience), prefix, sha256.Sum256); err != nil {
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

// A killed cgroup has no quota of processor time, which its processes need to end.
func TestKillLiftsTheQuota(t *testing.T) {
	c := &Cgroup{path: t.TempDir()}
	for name, text := range map[string]string{"cgroup.kill": "", "cpu.max": "5000 100000"} {
		if err := os.WriteFile(filepath.Join(c.path, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"cgroup.kill": "1", "cpu.max": "max"} {
		if text, err := os.ReadFile(filepath.Join(c.path, name)); err != nil || !strings.HasPrefix(string(text), want) {
			t.Errorf("%s is %q, %v", name, text, err)
		}
	}
	if err := os.Remove(filepath.Join(c.path, "cpu.max")); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(c.path, "cpu.max")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a controller it makes its file: %v", err)
	}
}

// The end of an emperor leaves no cgroup for the processes of its hooks, unless one has such a process.
func TestRemoveHooksLeaf(t *testing.T) {
	for _, occupied := range []bool{false, true} {
		home := t.TempDir()
		root := filepath.Join(home, "emperor-1")
		if err := os.Mkdir(root, 0o700); err != nil {
			t.Fatal(err)
		}
		lock, err := os.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		r := &CgroupRoot{home: home, path: root, lock: lock}
		if err := r.makeHooksLeaf(); err != nil {
			t.Fatal(err)
		}
		if occupied { // a directory that cannot be removed
			if err := os.Mkdir(filepath.Join(home, hooksLeaf, "busy"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Remove(); err != nil {
			t.Error(err)
		}
		left, err := os.ReadDir(home)
		if err != nil || (len(left) > 0) != occupied {
			t.Errorf("occupied %v: %v is left (%v)", occupied, left, err)
		}
	}
}
