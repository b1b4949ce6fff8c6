//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// intrusions are the ways by which a process accesses another process of the same user, unless
// that is protected (ptrace(2)).
var intrusions = map[string]func(pid int) error{
	"memory":      func(pid int) error { return open(pid, "mem", unix.O_RDWR) },
	"reading":     func(pid int) error { return open(pid, "mem", unix.O_RDONLY) },
	"descriptors": func(pid int) error { return open(pid, "fd", unix.O_DIRECTORY) },
	"descriptor":  func(pid int) error { return open(pid, "fd/3", unix.O_PATH) },
	"environment": func(pid int) error { return open(pid, "environ", unix.O_RDONLY) },
	"attach":      func(pid int) error { return unix.PtraceSeize(pid) },
	"copy": func(pid int) error {
		held, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return err
		}
		defer unix.Close(held)
		fd, err := unix.PidfdGetfd(held, 3, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	},
}

func open(pid int, file string, flags int) error {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/%s", pid, file), flags|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// burglar is the role of a program that tries to access its parent, the vassal's master, and
// records its results in the file of its first argument. With a second argument "stays" it
// repeats this while the master works; with "serves" it stays after one attempt.
func burglar() error {
	master, file := os.Getppid(), os.Args[1]
	how := append(os.Args, "")[2]
	switch how {
	case "stays":
		next := exec.Command("/proc/self/exe", file, strconv.Itoa(master))
		next.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := next.Start(); err != nil {
			return err
		}
		for { // it has begun when it has recorded something
			if text, _ := os.ReadFile(file); len(text) > 0 {
				return nil
			}
			time.Sleep(time.Millisecond)
		}
	case "", "serves":
		if err := intrude(master, file, map[string]bool{}); err != nil || how == "" {
			return err
		}
		select {}
	}
	master, err := strconv.Atoi(how)
	for noted := map[string]bool{}; err == nil; {
		err = intrude(master, file, noted)
	}
	return err
}

// intrude tries every way and records each result that is not recorded yet.
func intrude(master int, file string, noted map[string]bool) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	for name, try := range intrusions {
		line := fmt.Sprintf("%s: %v\n", name, try(master))
		if !noted[line] {
			noted[line] = true
			if _, err := f.WriteString(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// refused waits until a burglar has tried everything, and fails the test if any attempt
// succeeded.
func (w *world) refused(file string) {
	w.t.Helper()
	var found []string
	eventually(w.t, file+" has tried everything", func() bool {
		found = lines(w.path(file))
		return len(found) >= len(intrusions)
	})
	for _, line := range found {
		name, why, _ := strings.Cut(line, ": ")
		if why != unix.EACCES.Error() && why != unix.EPERM.Error() {
			w.t.Errorf("%s: the way by the %s is not refused: %s", file, name, why)
		}
	}
}

// A program of the vassal has its master's user, and cannot access the master: at the boot,
// while it serves, after a reload and after a fallback. A program that tries all the time
// finds no moment after the master has executed itself.
func TestApplicationCannotEnterItsMaster(t *testing.T) {
	t.Parallel()
	for name, clone := range map[string]string{"pid namespace": allNamespaces, "no namespace": "--emperor-use-clone=uts", "user namespace": "--emperor-use-clone=user=identity,pid,fs"} {
		for twin, options := range map[string][]string{"": nil, ", twin": {"hook-as-root = call:tzset"}} {
			t.Run(name+twin, func(t *testing.T) {
				t.Parallel()
				intruded(t, clone, append(options, "uid = 4001", "gid = 4001", "env = "+roleEnv+"=burglar"))
			})
		}
	}
}

func intruded(t *testing.T, clone string, common []string) {
	w := newWorld(t)
	runs := func(file string) string { return storyProgram + " " + w.path("s/"+file) }
	vassal := func(options ...string) []string { return append(slices.Clip(common), options...) }
	good := vassal("hook-as-user = execv:"+runs("boot"), "hook-post-fork = execv:"+runs("worker-hook"), "attach-daemon = "+runs("daemon")+" serves")
	w.vassal("a.ini", append(slices.Clip(good), "command = "+runs("worker")+" serves")...)
	w.vassal("b.ini", vassal("fallback-config = "+w.path("fallback.ini"), "hook-as-user = execv:"+runs("always")+" stays", "hook-pre-app = exit:1", serves)...)
	w.write("fallback.ini", ini(vassal("hook-as-user = execv:"+runs("fallback-boot"), "command = "+runs("fallback")+" serves")...))
	e := w.start(clone)
	e.running("a.ini")
	e.running("b.ini")
	for _, file := range []string{"boot", "worker-hook", "worker", "daemon", "always", "fallback-boot", "fallback"} {
		w.refused("s/" + file)
	}
	w.vassal("a.ini", append(slices.Clip(good), "command = "+runs("reloaded")+" serves")...)
	w.refused("s/reloaded")
	e.stop(syscall.SIGTERM)
}

// nameOf returns the name of a process.
func nameOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(text))
}

// concealed reports whether the kernel denies a process's own user access to it: root owns its
// files in /proc then (proc_pid(5)).
func concealed(t *testing.T, pid int) bool {
	t.Helper()
	info, err := os.Stat(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Uid == 0
}

// Every program of ours that runs as the vassal's user is protected, and every other program
// is not: a program that needs access to its own children has it.
func TestProgramsOfOursAreConcealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	common := []string{"uid = 4001", "gid = 4001", "pty-socket = " + w.path("s/tty")}
	w.vassal("a.ini", append(common, serves)...)
	w.vassal("b.ini", "uid = 4001", "gid = 4001", "http-socket = "+w.path("s/web"), "static-map = /="+w.path("s"))
	e := w.start("--emperor-use-clone=uts")
	found := map[string]int{}
	for _, name := range []string{"a.ini", "b.ini"} {
		pid := e.running(name)
		for _, p := range append(children(pid), pid) {
			program := nameOf(p)
			// A program that is executed by its descriptor has the number as its name until it takes its own.
			for deadline := time.Now().Add(patience); time.Now().Before(deadline) && strings.Trim(program, "0123456789") == ""; program = nameOf(p) {
				time.Sleep(time.Millisecond)
			}
			found[program]++
			if ours := strings.HasPrefix(program, "vassal"); concealed(t, p) != ours {
				t.Errorf("%s of %s: closed to its user is %v", program, name, !ours)
			}
		}
	}
	for _, program := range []string{"vassal", "vassal-helper", "vassal-server", "sleep"} {
		if found[program] == 0 {
			t.Errorf("there is no %s among %v", program, found)
		}
	}
	e.stop(syscall.SIGTERM)
}

// A program that its user cannot read is protected before its first instruction; an
// installation with other modes is reported.
func TestReadableProgramsAreToldOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if info, err := os.Stat(program("vassal")); err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("vassal is built with %v, %v", info, err)
	}
	vassal := filepath.Join(w.programs("bin", 0o755), "vassal")
	w.vassal("a.ini", serves)
	e := w.start("--emperor-vassal", vassal)
	if line := e.await("", "programs that vassals can read"); !strings.Contains(line.raw, vassal+" "+vassal+"-server") {
		t.Errorf("the warning is %s", line.raw)
	}
	e.running("a.ini")
	e.stop(syscall.SIGTERM)
	w.run("chmod 711 " + vassal + " && chown 4001 " + w.vassals)
	other := w.launch(w.inside("setpriv", "--reuid=4001", "--regid=4001", "--clear-groups", filepath.Join(filepath.Dir(vassal), "emperor"),
		"--emperor-log-format", "json", "--runtime-dir", w.path("s/run"), w.vassals))
	other.await("", "the kernel hides vassals from this emperor")
	other.running("a.ini")
	other.stop(syscall.SIGTERM)
}
