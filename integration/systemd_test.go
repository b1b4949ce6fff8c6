//go:build linux

package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// systemd accepts the unit of `make install` without a warning, manual page included, and
// `make uninstall` removes all files. The stories that run the unit are in `make systemd`.
func TestInstalledUnitIsVerified(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	install := func(target string) {
		out, err := exec.Command("make", "-C", "..", "-o", "build", target, "BIN="+os.Getenv(binEnv), "DESTDIR="+root).CombinedOutput()
		if err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
	}
	install("install")
	for name, want := range map[string]os.FileMode{
		"bin/emperor": 0o755, "bin/vassal": 0o711, "libexec/emperor/emperor-native": 0o755, "libexec/emperor/emperor-dns": 0o755,
		"libexec/emperor/vassal-native": 0o711, "libexec/emperor/vassal-server": 0o711, "libexec/emperor/vassal-helper": 0o711,
	} {
		info, err := os.Stat(filepath.Join(root, "usr/local", name))
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t); info.Mode().Perm() != want || owner.Uid != 0 || owner.Gid != 0 {
			t.Errorf("%s is installed as %d:%d with mode %o, want %o", name, owner.Uid, owner.Gid, info.Mode().Perm(), want)
		}
	}
	for _, name := range []string{
		"usr/local/lib/systemd/network/10-emperor.network", "usr/local/lib/systemd/network/10-emperor.link",
		"usr/local/lib/systemd/system/nftables.service.d/10-emperor.conf", "etc/NetworkManager/conf.d/10-emperor.conf",
	} {
		if info, err := os.Stat(filepath.Join(root, name)); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("a file for the host's software: %v", err)
		}
	}
	unit, err := os.ReadFile("../examples/systemd/emperor.service")
	if err != nil {
		t.Fatal(err)
	}
	// Its programs have other paths here.
	text := strings.ReplaceAll(string(unit), "/usr/local/bin/emperor", filepath.Join(root, "usr/local/bin/emperor"))
	path := filepath.Join(t.TempDir(), "emperor.service")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("systemd-analyze", "verify", path)
	cmd.Env = append(os.Environ(), "MANPATH="+filepath.Join(root, "usr/local/share/man"))
	out, err := cmd.CombinedOutput()
	for line := range strings.Lines(string(out)) {
		// Older versions of systemd ignore the key, which version 254 has added.
		if strings.Contains(line, "emperor.service") && !strings.Contains(line, "Unknown key 'DelegateSubgroup'") {
			t.Error(line)
		}
	}
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	install("uninstall")
	nothing(t, root)
}

// Beside an installed package `make install` refuses, and with the package's prefix also `make uninstall`: nothing is
// written or removed. FORCE=yes and a prefix of one user are permitted.
func TestInstallBesideAPackage(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	list := filepath.Join(root, "var/lib/dpkg/info/emperor.list")
	if err := errors.Join(os.MkdirAll(filepath.Dir(list), 0o755), os.WriteFile(list, []byte("/usr/bin\n/usr/bin/emperor\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	run := func(target string, more ...string) (string, error) {
		out, err := exec.Command("make", append([]string{"-C", "..", "-o", "build", target, "BIN=" + os.Getenv(binEnv), "DESTDIR=" + root}, more...)...).CombinedOutput()
		return string(out), err
	}
	for _, c := range []struct{ target, prefix, says string }{
		{"install", "/usr/local", "the package emperor is installed, and /usr/local/bin/emperor would run in place of /usr/bin/emperor"},
		{"install", "/usr", "/usr has the files of the package emperor, which the next upgrade puts back"},
		{"uninstall", "/usr", "/usr has the files of the package emperor"},
	} {
		out, err := run(c.target, "PREFIX="+c.prefix)
		if err == nil || !strings.Contains(out, c.says) || !strings.Contains(out, "FORCE=yes") || !strings.Contains(out, "apt remove emperor") {
			t.Errorf("make %s PREFIX=%s: %v\n%s", c.target, c.prefix, err, out)
		}
		if _, err := os.Stat(filepath.Join(root, "usr")); err == nil {
			t.Fatalf("make %s PREFIX=%s has installed files", c.target, c.prefix)
		}
	}
	for _, more := range [][]string{{"FORCE=yes"}, {"PREFIX=/home/her/.local"}} {
		for _, target := range []string{"install", "uninstall"} {
			if out, err := run(target, more...); err != nil {
				t.Errorf("make %s %v: %v\n%s", target, more, err, out)
			}
		}
	}
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	nothing(t, root)
}

// nothing checks that no file is left below a directory.
func nothing(t *testing.T, root string) {
	t.Helper()
	for _, left := range files(root) {
		if info, err := os.Stat(filepath.Join(root, left)); err != nil || !info.IsDir() {
			t.Errorf("left behind: %s", left)
		}
	}
}

// Without a virtual machine the stories of systemd do not succeed: the script ends with 77, the status of
// a skipped test, and make prints it.
func TestSystemdStoriesWithoutMachine(t *testing.T) {
	t.Parallel()
	// A host without apt: there are only the commands that the scripts and make use before they look for it.
	tools := t.TempDir()
	for _, name := range []string{"bash", "cat", "dirname", "env", "id", "make", "mkdir", "mktemp", "realpath", "rm", "sed", "sh", "sha256sum", "uname"} {
		path, err := exec.LookPath(name)
		if err == nil {
			err = os.Symlink(path, filepath.Join(tools, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) (string, int) {
		cmd := exec.Command(name, args...)
		cmd.Env = []string{"PATH=" + tools, "HOME=" + t.TempDir(), "EMPEROR_VM_CACHE=" + filepath.Join(t.TempDir(), "vm")}
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	const line = "make systemd: no story was run, there is no virtual machine (exit status 77"
	if out, code := run("systemd/run.sh", os.Getenv(binEnv)); code != 77 || !strings.Contains(out, "there is no apt-get") || !strings.Contains(out, line) {
		t.Errorf("exit status %d: %s", code, out)
	}
	if out, code := run("make", "-C", "..", "-o", "build", "systemd", "BIN="+os.Getenv(binEnv)); code == 0 || !strings.Contains(out, line) || !strings.Contains(out, "Error 77") {
		t.Errorf("make: exit status %d: %s", code, out)
	}
}

// sizes are the most bytes of each program. Each vassal loads vassal or vassal-server, and a larger one starts
// later: a package that makes vassal larger belongs in vassal-helper, vassal-server or emperor. vassal-server
// parses no hooks and makes no links; a table of functions that is initialised at its start brings them in.
var sizes = map[string]int64{"vassal": 5_450_000, "vassal-server": 8_750_000, "emperor": 20_900_000}

func TestProgramsAreSmall(t *testing.T) {
	t.Parallel()
	for name, most := range sizes {
		info, err := os.Stat(program(name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > most {
			t.Errorf("%s has %d bytes, more than %d", name, info.Size(), most)
		}
	}
}
