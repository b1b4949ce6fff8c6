package claims

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHelperClaims is the process of another emperor. It claims the resources that its
// environment names, prints the result, and lives until its standard input ends.
func TestHelperClaims(t *testing.T) {
	words := strings.Fields(os.Getenv("CLAIMS_TEST"))
	if len(words) == 0 {
		t.Skip("it is only run by other tests")
	}
	r := Open(words[:1], os.Geteuid(), slog.New(slog.DiscardHandler))
	err := claimBy(r.NewHolder(), words[1:])
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		return
	}
	os.Stdout.WriteString("claimed\n")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// claimBy claims a directory ("dir PATH"), a name in one ("entry PATH NAME") or "beside PATH".
func claimBy(h *Holder, words []string) error {
	dir, err := os.Open(words[1])
	if err != nil {
		return err
	}
	switch words[0] {
	case "dir":
		return h.Directory(dir, nil)
	case "beside":
		return h.Beside(dir, nil)
	}
	defer dir.Close()
	d, err := DirOf(dir)
	if err != nil {
		return err
	}
	return h.Entry(d, words[2])
}

// other runs another emperor until the context ends. It returns the process and its output.
func other(ctx context.Context, t *testing.T, words ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestHelperClaims$")
	cmd.Env = append(os.Environ(), "CLAIMS_TEST="+strings.Join(words, " "))
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	return cmd, start(t, cmd)
}

// start starts a command and returns the first line that it prints.
func start(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, _ := bufio.NewReader(out).ReadString('\n')
	return strings.TrimSpace(line)
}

// registry opens a registry and returns its log.
func registry(t *testing.T, path string) (*Registry, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	r := Open([]string{path}, os.Geteuid(), slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(r.Close)
	return r, log
}

// A file has one emperor. The files of a directory may have several, unless one emperor claims
// the whole directory.
func TestClaimsExclude(t *testing.T) {
	file, dir := filepath.Join(t.TempDir(), "claims"), t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		first, second string
		refused       bool
	}{
		{"dir " + dir, "dir " + dir, true},
		{"dir " + dir, "dir " + link, true},
		{"dir " + dir, "entry " + link + " a.ini", true},
		{"entry " + dir + " a.ini", "entry " + link + " a.ini", true},
		{"entry " + dir + " a.ini", "entry " + dir + " b.ini", false},
		{"entry " + dir + " a.ini", "dir " + dir, true},
		{"beside " + dir, "dir " + dir, true},
		{"dir " + dir, "beside " + dir, true},
		{"beside " + dir, "beside " + dir, false},
		{"beside " + dir, "entry " + dir + " a.ini", false},
		{"dir " + dir, "dir " + filepath.Dir(dir), false},
	} {
		ctx, end := context.WithCancel(t.Context())
		first, says := other(ctx, t, file, tt.first)
		if says != "claimed" {
			t.Fatal(says)
		}
		r, _ := registry(t, file)
		err := claimBy(r.NewHolder(), strings.Fields(tt.second))
		held, refused := errors.AsType[HeldError](err)
		if refused != tt.refused || refused && held.PID != first.Process.Pid {
			t.Errorf("%s, then %s: %v", tt.first, tt.second, err)
		}
		end()
		_ = first.Wait()
		if err := claimBy(r.NewHolder(), strings.Fields(tt.second)); err != nil {
			t.Errorf("%s, after the kill of the first: %v", tt.second, err)
		}
		r.Close()
	}
}

// When one holder releases a claim, another holder of the same process keeps it.
func TestClaimsOfOneProcess(t *testing.T) {
	file, dir := filepath.Join(t.TempDir(), "claims"), t.TempDir()
	r, _ := registry(t, file)
	one, two, all := r.NewHolder(), r.NewHolder(), r.NewHolder()
	for _, h := range []*Holder{one, two} {
		if err := claimBy(h, []string{"entry", dir, "a.ini"}); err != nil {
			t.Fatal(err)
		}
	}
	says := func(want string, words ...string) {
		t.Helper()
		ctx, end := context.WithCancel(t.Context())
		defer end()
		if _, got := other(ctx, t, append([]string{file}, words...)...); !strings.Contains(got, want) {
			t.Errorf("another emperor, %v: %s", words, got)
		}
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	d, err := DirOf(f)
	if err != nil {
		t.Fatal(err)
	}
	one.Drop(d, "a.ini")
	says("another emperor does", "entry", dir, "a.ini")
	if err := all.Directory(f, nil); err != nil {
		t.Fatal(err)
	}
	two.Drop(d, "b.ini") // it does not have this claim
	says("another emperor does", "entry", dir, "b.ini")
	f, err = os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := all.Directory(f, nil); err != nil { // replaces the other claim
		t.Fatal(err)
	}
	says("another emperor does", "entry", dir, "a.ini")
	says("claimed", "entry", dir, "b.ini")
	two.Drop(d, "a.ini")
	says("claimed", "entry", dir, "a.ini")
}

// All claims of files share one descriptor.
func TestClaimsTakeOneDescriptor(t *testing.T) {
	r, _ := registry(t, filepath.Join(t.TempDir(), "claims"))
	count := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	before, h := count(), r.NewHolder()
	for i := range uint64(1000) {
		if err := h.Entry(Dir{1, i}, "a.ini"); err != nil {
			t.Fatal(err)
		}
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

// Any number of emperors start and end at the same time. All living ones use one file, and the
// last one removes it.
func TestClaimsComeAndGo(t *testing.T) {
	file, dir := filepath.Join(t.TempDir(), "claims"), t.TempDir()
	keeper, says := other(t.Context(), t, file, "dir", dir)
	if says != "claimed" {
		t.Fatal(says)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 50 {
				r := Open([]string{file}, os.Geteuid(), slog.New(slog.DiscardHandler))
				if err := claimBy(r.NewHolder(), []string{"entry", dir, "a.ini"}); err == nil {
					t.Error("the claim of another is not seen")
				}
				r.Close()
			}
		})
	}
	group.Wait()
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	_ = keeper.Process.Kill()
	_ = keeper.Wait()
	for range 4 {
		group.Go(func() {
			for range 50 {
				r := Open([]string{file}, os.Geteuid(), slog.New(slog.DiscardHandler))
				if !named(r.file, file) {
					t.Error("a file that is removed is used")
				}
				r.Close()
			}
		})
	}
	group.Wait()
	if _, err := os.Lstat(file); err == nil {
		t.Error("the file is left")
	}
}

// Another user cannot make the emperor use a file of that user, or wait for it. The emperor
// reports why it cannot use the file, and continues.
func TestPlacesOfOthers(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, mode os.FileMode) error {
		return errors.Join(os.WriteFile(path(name), nil, mode), os.Chmod(path(name), mode))
	}
	prepare := map[string]func() error{
		"a symbolic link": func() error {
			return errors.Join(write("target", 0o600), os.Symlink(path("target"), path("a symbolic link")))
		},
		"a FIFO":       func() error { return unix.Mkfifo(path("a FIFO"), 0o600) },
		"a directory":  func() error { return os.Mkdir(path("a directory"), 0o700) },
		"open":         func() error { return write("open", 0o644) },
		"two names":    func() error { return errors.Join(write("x", 0o600), os.Link(path("x"), path("two names"))) },
		"loose/claims": func() error { return errors.Join(os.Mkdir(path("loose"), 0o700), os.Chmod(path("loose"), 0o777)) },
		"none/claims":  func() error { return nil },
	}
	if os.Geteuid() == 0 {
		prepare["foreign"] = func() error { return errors.Join(write("foreign", 0o600), os.Chown(path("foreign"), 4001, 4001)) }
		prepare["theirs/claims"] = func() error {
			return errors.Join(os.Mkdir(path("theirs"), 0o700), os.Chown(path("theirs"), 4001, 4001))
		}
	}
	for name, do := range prepare {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		r, log := registry(t, path(name))
		if !strings.Contains(log.String(), "may not be noticed") {
			t.Errorf("%s: it is used; the log is %q", name, log)
		}
		if err := claimBy(r.NewHolder(), []string{"dir", t.TempDir()}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if os.Geteuid() == 0 { // an emperor that changes its user
		log := &bytes.Buffer{}
		r := Open([]string{path("claims")}, 4001, slog.New(slog.NewTextHandler(log, nil)))
		info, err := os.Stat(path("claims"))
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != 4001 || log.Len() > 0 {
			t.Errorf("%v, %v: %s", info, err, log)
		}
		r.Close()
	}
	r, log := registry(t, path("claims"))
	if log.Len() > 0 || r.file == nil {
		t.Error(log)
	}
	if info, err := os.Stat(path("claims")); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// Emperors that cannot see each other's claims see each other's lock on the directory.
func TestSignOfAnEmperor(t *testing.T) {
	dir := t.TempDir()
	first, says := other(t.Context(), t, filepath.Join(t.TempDir(), "there"), "dir", dir)
	if says != "claimed" {
		t.Fatal(says)
	}
	r, _ := registry(t, filepath.Join(t.TempDir(), "here"))
	err := claimBy(r.NewHolder(), []string{"dir", dir})
	if held, ok := errors.AsType[HeldError](err); !ok || held.PID != first.Process.Pid {
		t.Fatalf("%v", err)
	}
	if err := claimBy(r.NewHolder(), []string{"beside", dir}); err == nil {
		t.Error("a pattern of the directory is not refused")
	}
	_ = first.Process.Kill()
	_ = first.Wait()
	for range 2 { // also by two monitors
		if err := claimBy(r.NewHolder(), []string{"dir", dir}); err != nil {
			t.Error(err)
		}
	}
}

// A tenant's lock cannot block an emperor: neither a lock of its own process, nor of a process in
// another pid namespace, nor of a dead one whose child has the descriptor, nor of one that has
// become a program of root's.
func TestSignOfATenant(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be several users")
	}
	const tenant, lock = "exec setpriv --reuid 4001 --regid 4001 --clear-groups ", "flock --no-fork $0 sh -c 'echo; exec sleep 60'"
	privileged := filepath.Join(t.TempDir(), filepath.Base(os.Args[0])) // a set-user-id program of the emperor's name
	if out, err := exec.CommandContext(t.Context(), "install", "-m", "4755", "/bin/sleep", privileged).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Chmod(filepath.Dir(filepath.Dir(privileged)), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ script, logs string }{
		"its own":             {tenant + lock, "no emperor of this user"},
		"root's":              {"exec " + lock, "no emperor of this user"},
		"in a pid namespace":  {"exec unshare --pid --fork --kill-child " + strings.TrimPrefix(tenant, "exec ") + lock, "no emperor of this user"},
		"privileged by now":   {tenant + strings.ReplaceAll(lock, "sleep", privileged), "no emperor of this user"},
		"of one that is dead": {tenant + `sh -c 'exec 9<$0; flock 9; echo; exec sleep 60' $0`, ""},
	} {
		dir := t.TempDir()
		if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755)); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", tt.script, dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		start(t, cmd)
		t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		if exec.CommandContext(t.Context(), "flock", "-n", dir, "true").Run() == nil {
			t.Fatalf("%s: the tenant has no lock", name)
		}
		r, log := registry(t, filepath.Join(t.TempDir(), "claims"))
		began := time.Now()
		if err := claimBy(r.NewHolder(), []string{"dir", dir}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
		if !strings.Contains(log.String(), "locked the directory") || !strings.Contains(log.String(), tt.logs) {
			t.Errorf("%s: the log is %q", name, log)
		}
	}
}

// BenchmarkEntries claims the files of a pattern that finds 8000.
func BenchmarkEntries(b *testing.B) {
	names := make([]string, 8000)
	for i := range names {
		names[i] = strconv.Itoa(i) + ".ini"
	}
	for b.Loop() {
		r := Open([]string{filepath.Join(b.TempDir(), "claims")}, os.Geteuid(), slog.New(slog.DiscardHandler))
		h := r.NewHolder()
		for _, name := range names {
			if err := h.Entry(Dir{1, 2}, name); err != nil {
				b.Fatal(err)
			}
		}
		r.Close()
	}
}
