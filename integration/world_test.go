//go:build linux

package integration

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const worldNamespaces = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC

// tagEnv marks every process of a world: vassals inherit it silently, because the name begins
// like a locale variable.
const tagEnv = "LC_STORY"

// world is the environment of a story: network, mount, uts and ipc namespaces, a cgroup and a
// directory of its own. Its mounts are shared, as on a host with systemd, so that a vassal
// whose mounts leak is detected.
type world struct {
	t      testing.TB
	holder *exec.Cmd
	// base is the world's own directory and vassals the directory in it that its emperor
	// watches. They are short: the path of a socket has 108 bytes.
	base, vassals string
	tag           string
	cgroup        string // empty without cgroup v2
	before        map[string][]string
}

// storyProgram is the path of this program in a world.
const storyProgram = "/run/story"

// accounts exist in every world, in addition to the machine's.
const (
	accounts = "vassal001:x:4001:4001::/:/bin/false\nvassal002:x:4002:4002::/:/bin/false\n"
	groups   = "vassal001:x:4001:\nvassal002:x:4002:\nfriends:x:4100:vassal001\nothers:x:4200:\n"
)

// newWorld makes a world, and compares it at the end of the test with its initial state.
func newWorld(t testing.TB) *world {
	t.Helper()
	base, err := os.MkdirTemp("", "e")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	w := &world{t: t, base: base, vassals: filepath.Join(base, "v"), tag: filepath.Base(base)}
	for _, err := range []error{
		os.Chmod(base, 0o755), os.Mkdir(w.vassals, 0o755),
		os.Mkdir(w.path("s"), 0o777), os.Chmod(w.path("s"), 0o777), // sockets of all users
		merge("/etc/passwd", accounts, w.path("passwd")), merge("/etc/group", groups, w.path("group")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	w.hold()
	w.makeCgroup()
	w.before = w.snapshot()
	t.Cleanup(w.compare)
	return w
}

func merge(from, add, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, append(text, add...), 0o644)
}

// hold starts the process that keeps the namespaces.
func (w *world) hold() {
	w.holder = exec.Command("/proc/self/exe", w.path("passwd"), w.path("group"))
	w.holder.Env = []string{roleEnv + "=world", "PATH=" + os.Getenv("PATH")}
	w.holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: worldNamespaces, Pdeathsig: syscall.SIGKILL}
	w.holder.Stderr = os.Stderr
	in, err := w.holder.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := w.holder.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.holder.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { in.Close(); _ = w.holder.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		w.t.Fatalf("there is no world: %v", err)
	}
}

// holdWorld is the role of that process: it sets up the world and stays until its input ends.
// Arguments are the files of users and groups.
func holdWorld() error {
	mount := func(source, target, fs string, flags uintptr) error {
		if err := unix.Mount(source, target, fs, flags, ""); err != nil {
			return fmt.Errorf("cannot mount %s: %w", target, err)
		}
		return nil
	}
	if err := mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE); err != nil {
		return err
	}
	if err := mount("", "/", "", unix.MS_REC|unix.MS_SHARED); err != nil {
		return err
	}
	if err := mount("tmpfs", "/run", "tmpfs", 0); err != nil {
		return err
	}
	self, err := os.Executable()
	for _, err := range []error{err, os.WriteFile(storyProgram, nil, 0o755), os.Mkdir("/run/mount", 0o755)} { // mount(8) makes that
		if err != nil {
			return err
		}
	}
	if err := mount(self, storyProgram, "", unix.MS_BIND); err != nil {
		return err
	}
	for i, file := range os.Args[1:] {
		if err := mount(file, []string{"/etc/passwd", "/etc/group"}[i], "", unix.MS_BIND); err != nil {
			return err
		}
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("cannot set lo up: %w: %s", err, out)
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// cgroupMounts are the places where cgroup v2 may be mounted.
var cgroupMounts = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}

// makeCgroup makes the cgroup in which the world's emperor lives.
func (w *world) makeCgroup() {
	for _, at := range cgroupMounts {
		path := filepath.Join(at, "story-"+w.tag)
		if _, err := os.Stat(filepath.Join(at, "cgroup.controllers")); err != nil || os.Mkdir(path, 0o755) != nil {
			continue
		}
		w.cgroup = path
		w.t.Cleanup(func() {
			_ = os.WriteFile(filepath.Join(path, "cgroup.kill"), []byte("1"), 0) // of a story that failed
			eventually(w.t, path+" is removed", func() bool { return removeTree(path) })
		})
	}
}

// removeTree removes a cgroup without processes, and reports whether it is gone.
func removeTree(path string) bool {
	inner, _ := os.ReadDir(path)
	for _, d := range inner {
		if d.IsDir() {
			removeTree(filepath.Join(path, d.Name()))
		}
	}
	err := os.Remove(path)
	return err == nil || os.IsNotExist(err)
}

// abandoned is the age of a world whose program has ended for sure.
const abandoned = time.Hour

// removeAbandoned removes the cgroups of worlds whose program was killed or ran out of time.
func removeAbandoned() {
	for _, at := range cgroupMounts {
		paths, _ := filepath.Glob(filepath.Join(at, "story-*"))
		for _, path := range paths {
			if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > abandoned {
				removeTree(path)
			}
		}
	}
}

func (w *world) path(name string) string { return filepath.Join(w.base, name) }

// write writes a file of the world atomically, by rename.
func (w *world) write(path, text string) {
	w.t.Helper()
	if !filepath.IsAbs(path) {
		path = w.path(path)
	}
	temporary := filepath.Join(filepath.Dir(path), ".new")
	if err := os.WriteFile(temporary, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(temporary, path); err != nil {
		w.t.Fatal(err)
	}
}

// vassal writes a vassal's file into the watched directory.
func (w *world) vassal(name string, options ...string) {
	w.t.Helper()
	w.write(filepath.Join(w.vassals, name), ini(options...))
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.Remove(filepath.Join(w.vassals, name)); err != nil {
		w.t.Fatal(err)
	}
}

func ini(options ...string) string { return "[uwsgi]\n" + strings.Join(options, "\n") + "\n" }

// inside makes cmd run in the namespaces of the world and with its tag.
func (w *world) inside(name string, args ...string) *exec.Cmd {
	ns := "/proc/" + strconv.Itoa(w.holder.Process.Pid) + "/ns/"
	args = append([]string{"--net=" + ns + "net", "--mount=" + ns + "mnt", "--uts=" + ns + "uts", "--ipc=" + ns + "ipc", "--wd=/", "--", name}, args...)
	cmd := exec.Command("nsenter", args...)
	cmd.Env = append(os.Environ(), tagEnv+"="+w.tag)
	return cmd
}

// run runs a shell script inside the world and returns its output.
func (w *world) run(script string) string {
	w.t.Helper()
	return output(w.t, w.inside("sh", "-c", script))
}

// in runs a shell script in all namespaces of a process.
func in(t testing.TB, pid int, script string) string {
	t.Helper()
	return output(t, exec.Command("nsenter", "-t", strconv.Itoa(pid), "-m", "-u", "-i", "-n", "-p", "sh", "-c", script))
}

func output(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v\n%s", cmd.Args[len(cmd.Args)-1], err, out.String())
	}
	return strings.TrimSpace(out.String())
}

// snapshot lists the objects of the world, by kind.
func (w *world) snapshot() map[string][]string {
	of := "/proc/" + strconv.Itoa(w.holder.Process.Pid)
	s := map[string][]string{
		"interfaces":    lines(of + "/net/dev"),
		"mounts":        lines(of + "/mountinfo"),
		"unix sockets":  lines(of + "/net/unix"),
		"processes":     w.processes(),
		"cgroups":       w.cgroups(),
		"files in /run": withoutLeases(files(of + "/root/run")),
	}
	for i, l := range s["interfaces"] {
		s["interfaces"][i], _, _ = strings.Cut(l, ":") // the counters after it change
	}
	for _, l := range append(lines(of+"/net/tcp"), lines(of+"/net/tcp6")...) {
		if f := strings.Fields(l); len(f) > 3 && f[3] == "0A" { // listening
			s["tcp sockets"] = append(s["tcp sockets"], f[1])
		}
	}
	return s
}

// withoutLeases leaves out the leases of vassals' addresses that an emperor leaves for the next one when it stops, and their
// directories.
func withoutLeases(paths []string) []string {
	var dirs []string
	for _, p := range paths {
		if dir, found := strings.CutSuffix(p, "/network/id"); found {
			dirs = append(dirs, dir)
		}
	}
	return slices.DeleteFunc(paths, func(p string) bool {
		return slices.ContainsFunc(dirs, func(dir string) bool {
			name, within := strings.CutPrefix(p, dir)
			return within && leasesOfNetwork.MatchString(name)
		})
	})
}

var leasesOfNetwork = regexp.MustCompile(`^(|/\.made|/network|/network/(id|pool\.json)|/network/(leases|bridge)(/[0-9a-f]{32})?)$`)

// compare fails the test when the world differs from its initial state. The kernel removes
// network namespaces asynchronously, so it may take a moment.
func (w *world) compare() {
	w.t.Helper()
	var left string
	for deadline := time.Now().Add(patience / 3); ; time.Sleep(10 * time.Millisecond) {
		left = difference(w.before, w.snapshot())
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			w.t.Errorf("the world is not what it was:\n%s", left)
			w.sweep()
			return
		}
	}
}

// sweep kills the processes that a failed story left, so that they do not affect other
// stories.
func (w *world) sweep() {
	for _, p := range w.processes() {
		if pid, err := strconv.Atoi(strings.Fields(p)[0]); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func difference(before, after map[string][]string) string {
	var b strings.Builder
	for kind := range after {
		for _, line := range after[kind] {
			if !slices.Contains(before[kind], line) {
				fmt.Fprintf(&b, "%s: more: %s\n", kind, line)
			}
		}
		for _, line := range before[kind] {
			if !slices.Contains(after[kind], line) {
				fmt.Fprintf(&b, "%s: less: %s\n", kind, line)
			}
		}
	}
	return b.String()
}

// processes lists the processes of the world: those with its tag in their environment, and
// those in its cgroup.
func (w *world) processes() (found []string) {
	pids := map[string]bool{}
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range environs {
		text, _ := os.ReadFile(file)
		if slices.Contains(strings.Split(string(text), "\x00"), tagEnv+"="+w.tag) {
			pids[filepath.Base(filepath.Dir(file))] = true
		}
	}
	for _, dir := range append(w.cgroups(), w.cgroup) {
		for _, pid := range lines(filepath.Join(dir, "cgroup.procs")) {
			pids[pid] = true
		}
	}
	for pid := range pids {
		command, _ := os.ReadFile("/proc/" + pid + "/cmdline")
		found = append(found, pid+" "+strings.ReplaceAll(string(command), "\x00", " "))
	}
	slices.Sort(found)
	return found
}

// cgroups lists the cgroups below the world's own.
func (w *world) cgroups() (found []string) {
	if w.cgroup == "" {
		return nil
	}
	_ = filepath.WalkDir(w.cgroup, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != w.cgroup {
			found = append(found, path)
		}
		return nil
	})
	return found
}

func files(root string) (found []string) {
	_ = filepath.WalkDir(root, func(path string, _ fs.DirEntry, _ error) error {
		found = append(found, strings.TrimPrefix(path, root))
		return nil
	})
	return found
}

func lines(file string) []string {
	text, _ := os.ReadFile(file)
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}
