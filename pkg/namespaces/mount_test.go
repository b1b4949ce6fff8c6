package namespaces

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func inNewMounts() *syscall.SysProcAttr { return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS} }

// ground mounts an empty /tmp in the new mount namespace.
func ground(t *testing.T) {
	t.Helper()
	if err := errors.Join(PrepareMounts(NewMount, ProcView{}), unix.Mount("ground", "/tmp", "tmpfs", 0, "")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/tmp/a", "/tmp/a/sub", "/tmp/b", "/tmp/tenant"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chown("/tmp/tenant", 1000, 1000), os.Symlink("/tmp/b", "/tmp/ours"), os.Symlink("../b", "/tmp/tenant/rel"),
		os.Symlink("/tmp/b", "/tmp/tenant/theirs"), os.Lchown("/tmp/tenant/theirs", 1000, 1000)); err != nil {
		t.Fatal(err)
	}
}

func flags(t *testing.T, list string) MountFlags {
	t.Helper()
	f, unknown := ParseMountFlags(list)
	if unknown != "" {
		t.Fatalf("unknown flag %q", unknown)
	}
	return f
}

func mountLines(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestMountSetsAndVerifiesFlags(t *testing.T) {
	if !isolated(t, inNewMounts()) {
		return
	}
	ground(t)
	if err := os.WriteFile("/tmp/a/file", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, m := range []Mount{
		{Source: "/tmp/a", Target: "/tmp/b", Flags: flags(t, "bind,ro,nosuid,nodev,noexec,private")},
		{Source: "/tmp/a", Target: "/tmp/a", Flags: flags(t, "rbind,shared")},
		{Target: "/tmp/b", Flags: flags(t, "remount,bind,ro")},
		{Type: "tmpfs", Source: "none", Target: "/tmp/tenant", Flags: flags(t, "nodev"), Data: "size=64k,mode=700"},
	} {
		if err := m.Do(); err != nil {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if err := os.WriteFile("/tmp/b/file", nil, 0o644); !errors.Is(err, syscall.EROFS) {
		t.Errorf("writing below a read-only bind: %v", err)
	}
	if info, err := os.Stat("/tmp/tenant"); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the filesystem's own options do not count: %v %v", info, err)
	}
	rec, _ := ParseUmountFlags("rec")
	if err := Unmount("/tmp/", rec); err != nil {
		t.Error(err)
	}
	if lines := mountLines(t); strings.Contains(lines, " /tmp/a ") || strings.Contains(lines, " /tmp/b ") || strings.Contains(lines, "ground") {
		t.Errorf("mounts are left:\n%s", lines)
	}
}

func TestMountIsNotLedAstray(t *testing.T) {
	if !isolated(t, inNewMounts()) {
		return
	}
	ground(t)
	before := mountLines(t)
	for _, m := range []Mount{
		{Type: "tmpfs", Source: "none", Target: "/tmp/tenant/theirs"},
		{Source: "/tmp/tenant/theirs", Target: "/tmp/a", Flags: flags(t, "bind")},
		{Source: "/tmp/a", Target: "/proc/self/cwd", Flags: flags(t, "bind")},
		{Source: "/tmp/a", Target: "/tmp/nowhere", Flags: flags(t, "bind")},
		{Source: "/tmp/a", Target: "tmp/b", Flags: flags(t, "bind")},
		{Type: "no-such-filesystem", Source: "none", Target: "/tmp/b"},
	} {
		if err := m.Do(); err == nil || !strings.Contains(err.Error(), "cannot mount") {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if after := mountLines(t); after != before {
		t.Errorf("a refused mount left something:\n%s", after)
	}
	for _, target := range []string{"/tmp/ours", "/tmp/tenant/rel"} {
		if err := (Mount{Type: "tmpfs", Source: "none", Target: target}).Do(); err != nil {
			t.Errorf("links of root are good: %v", err)
		}
		if !strings.Contains(mountLines(t), " /tmp/b ") {
			t.Errorf("%s: not mounted where the link leads", target)
		}
		if err := Unmount(target, 0); err != nil {
			t.Error(err)
		}
	}
	if err := Unmount("/tmp/tenant/theirs", 0); err == nil {
		t.Error("unmounted through another's link")
	}
	if after := mountLines(t); after != before {
		t.Errorf("left:\n%s", after)
	}
}

func TestLoopOfLinksEnds(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Symlink("b", dir+"/a"), os.Symlink("a", dir+"/b")); err != nil {
		t.Fatal(err)
	}
	if _, err := openTarget(dir + "/a/x"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("error %v, want ELOOP", err)
	}
}
