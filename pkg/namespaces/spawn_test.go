package namespaces

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// description is the state in which a child finds itself.
type description struct {
	PID, Session     int
	Dir              string
	Env              []string
	Descriptors      []string
	Namespaces       map[string]string
	UIDMap, GIDMap   string
	Setgroups        string
	EffectiveUserNow int
}

func describe() (any, error) {
	// Before the runtime opens descriptors of its own.
	fds, err := os.Open("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	d := description{PID: os.Getpid(), Env: os.Environ(), Namespaces: map[string]string{}, EffectiveUserNow: os.Geteuid()}
	names, err := fds.Readdirnames(-1)
	for _, name := range names {
		// The runtime opens its descriptors close-on-exec; the caller's are not.
		n, _ := strconv.Atoi(name)
		if flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			d.Descriptors = append(d.Descriptors, name)
		}
	}
	slices.Sort(d.Descriptors)
	var errs [2]error
	d.Session, errs[0] = unix.Getsid(0)
	d.Dir, errs[1] = os.Getwd()
	d.UIDMap, d.GIDMap = text("/proc/self/uid_map"), text("/proc/self/gid_map")
	d.Setgroups = text("/proc/self/setgroups")
	d.Namespaces = ownNamespaces()
	return d, errors.Join(err, errs[0], errs[1])
}

func text(file string) string {
	b, _ := os.ReadFile(file)
	return strings.Join(strings.Fields(string(b)), " ")
}

func ownNamespaces() map[string]string {
	own := map[string]string{}
	for _, n := range names {
		own[n.name], _ = os.Readlink("/proc/self/ns/" + n.entry)
	}
	return own
}

func TestStartMakesTheNamespaces(t *testing.T) {
	needRoot(t)
	s := newSpawner(t)
	all := NewPID | NewUTS | NewNet | NewIPC | NewMount | NewUser | NewCgroup | NewTime
	for _, flags := range []Flags{0, NewPID, NewUTS, NewNet, NewIPC, NewMount, NewUser, NewCgroup, NewTime, NewPID | NewUTS | NewNet | NewIPC | NewMount, all} {
		t.Run(flags.String(), func(t *testing.T) {
			var d description
			act(t, s, "describe", Command{Namespaces: flags}).finish(&d)
			own := ownNamespaces()
			var changed []string
			for _, n := range names {
				if d.Namespaces[n.name] != own[n.name] {
					changed = append(changed, n.name)
				}
			}
			if got := strings.Join(changed, ","); got != flags.String() {
				t.Errorf("new are %q, want %q", got, flags)
			}
			if first := d.PID == 1; first != flags.Has(NewPID) {
				t.Errorf("its pid is %d", d.PID)
			}
		})
	}
}

func TestStartHandsOverWhatIsSaid(t *testing.T) {
	needRoot(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for range 100 { // close-on-exec, as all files of Go
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	extra, _ := pipe(t)
	var d description
	act(t, newSpawner(t), "describe", Command{Dir: dir, Env: []string{"A=1"}, Files: []*os.File{nil, extra}, Namespaces: NewPID}).finish(&d)
	if want := []string{"0", "1", "2", "4"}; !slices.Equal(d.Descriptors, want) {
		t.Errorf("descriptors %q, want %q", d.Descriptors, want)
	}
	if want := []string{"A=1", roleEnv + "=describe", quickEnv}; !slices.Equal(d.Env, want) {
		t.Errorf("environment %q, want %q", d.Env, want)
	}
	if d.Dir != dir {
		t.Errorf("directory %q, want %q", d.Dir, dir)
	}
	if d.Session != d.PID {
		t.Errorf("session %d of process %d, want its own", d.Session, d.PID)
	}
}

func TestNilEnvIsEmpty(t *testing.T) {
	t.Setenv("NAMESPACES_TEST_SECRET", "x")
	out, w := pipe(t)
	p, err := newSpawner(t).Start(Command{Path: "/usr/bin/env", Args: []string{"env"}, Dir: "/", Files: []*os.File{nil, w}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	w.Close()
	if status, err := p.Wait(); err != nil || status.Code != 0 {
		t.Fatal(status, err)
	}
	b := make([]byte, 4096)
	if n, _ := out.Read(b); n != 0 {
		t.Errorf("the child's environment is %q, want none", b[:n])
	}
}

func TestUserNamespaceOfRoot(t *testing.T) {
	needRoot(t)
	var d description
	act(t, newSpawner(t), "describe", Command{Namespaces: NewUser}).finish(&d)
	if d.EffectiveUserNow != 0 || d.Setgroups != text("/proc/self/setgroups") {
		t.Errorf("uid %d, setgroups %q", d.EffectiveUserNow, d.Setgroups)
	}
	// Seen from inside, each known id is itself.
	for name, pair := range map[string][2]string{"uid": {d.UIDMap, text("/proc/self/uid_map")}, "gid": {d.GIDMap, text("/proc/self/gid_map")}} {
		got, own := strings.Fields(pair[0]), strings.Fields(pair[1])
		for i := 0; i+2 < len(own); i += 3 {
			if want := []string{own[i], own[i], own[i+2]}; len(got) != len(own) || !slices.Equal(got[i:i+3], want) {
				t.Errorf("%s map %q, want each of %q to itself", name, pair[0], pair[1])
			}
		}
	}
}

func TestUserNamespaceOfOthers(t *testing.T) {
	if !isolated(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65533}}) {
		return
	}
	// t.TempDir would need a directory of the first run; the child does not have it.
	t.Setenv("TMPDIR", "/tmp")
	a, err := tryAct(t, newSpawner(t), "describe", Command{Namespaces: NewUser | NewNet})
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSPC) {
		t.Skipf("this host does not let users make user namespaces: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	var d description
	a.finish(&d)
	if d.UIDMap != "0 65534 1" || d.GIDMap != "0 65533 1" || d.Setgroups != "deny" || d.EffectiveUserNow != 0 {
		t.Errorf("uid %d, maps %q and %q, setgroups %q", d.EffectiveUserNow, d.UIDMap, d.GIDMap, d.Setgroups)
	}
}

func TestStartFailsCleanly(t *testing.T) {
	s := newSpawner(t)
	tests := map[string]struct {
		command Command
		want    error
	}{
		"no program":    {Command{Path: "/nonexistent/x", Args: []string{"x"}, Dir: "/"}, unix.ENOENT},
		"no directory":  {Command{Path: "/bin/true", Args: []string{"true"}, Dir: "/nonexistent"}, unix.ENOENT},
		"not a program": {Command{Path: "/etc/passwd", Args: []string{"x"}, Dir: "/"}, unix.EACCES},
		"no cgroup":     {Command{Path: "/bin/true", Args: []string{"true"}, Dir: "/", CgroupFD: 1 << 20}, unix.EBADF},
	}
	before := descriptors(t)
	for name, test := range tests {
		for range 10 {
			if _, err := s.Start(test.command); !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", name, err, test.want)
			}
		}
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a child is left: %d, %v", pid, err)
	}
}

func TestDeathsigIsOfTheSpawner(t *testing.T) {
	s := NewSpawner()
	var a *actor
	started, gone := make(chan int), make(chan struct{})
	go func() {
		defer close(gone)
		runtime.LockOSThread() // the thread dies with this goroutine
		a = act(t, s, "", Command{Path: "/bin/sleep", Args: []string{"sleep", "1000"}, Deathsig: syscall.SIGKILL})
		started <- unix.Gettid()
	}()
	tid := <-started
	<-gone
	eventually(t, "the death of the thread that asked", func() bool {
		_, err := os.Stat("/proc/self/task/" + strconv.Itoa(tid))
		return err != nil
	})
	if state := stateOf(a.PID); state != "S" && state != "R" {
		t.Errorf("the child died (state %q) with a thread that is not the Spawner's", state)
	}
	s.Close()
	if status, err := a.Wait(); err != nil || status != (ExitStatus{Code: -1, Signal: syscall.SIGKILL}) {
		t.Errorf("after Close: %v, %v, want signal: killed", status, err)
	}
}

func TestManyAtATime(t *testing.T) {
	needRoot(t)
	s := newSpawner(t)
	before := descriptors(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			p, err := s.Start(Command{
				Path: "/bin/true", Args: []string{"true"}, Dir: "/",
				Namespaces: NewPID | NewUTS | NewNet | NewIPC | NewMount,
			})
			if err != nil {
				t.Error(err)
				return
			}
			if status, err := p.Wait(); err != nil || status != (ExitStatus{}) {
				t.Error(status, err)
			}
			p.Close()
		})
	}
	wg.Wait()
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
