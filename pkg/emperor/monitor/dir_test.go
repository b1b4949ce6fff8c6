package monitor

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nothing is longer than any delay of the monitor: later there will be no report.
const nothing = 3 * removalDelay

func TestNewDirRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	for path, want := range map[string]string{
		"/nonexistent/vassals": `cannot monitor "/nonexistent/vassals": no such file or directory`,
		file:                   `cannot monitor "` + file + `": not a directory`,
	} {
		if _, err := NewDir(path, DirOptions{Log: slog.New(slog.DiscardHandler)}); err == nil || err.Error() != want {
			t.Errorf("NewDir(%q): %v, want %s", path, err, want)
		}
	}
}

// Each way in which people and programs change a file is one change.
func TestWaysToChangeAFile(t *testing.T) {
	ways := map[string]func(t *testing.T, path string){
		"write in place": func(t *testing.T, path string) { write(t, path, "new") },
		"rename over": func(t *testing.T, path string) {
			write(t, path+".tmp", "new")
			rename(t, path+".tmp", path)
		},
		"rename over, older time": func(t *testing.T, path string) {
			write(t, path+".tmp", "new")
			chtimes(t, path+".tmp", time.Unix(1e9, 0))
			rename(t, path+".tmp", path)
		},
		"write in place, then set an older time": func(t *testing.T, path string) {
			write(t, path, "new")
			chtimes(t, path, time.Unix(1e9, 0))
		},
		"move away and write anew": func(t *testing.T, path string) {
			rename(t, path, path+"~")
			time.Sleep(removalDelay / 4)
			write(t, path, "new")
			remove(t, path+"~")
		},
		"remove and write anew": func(t *testing.T, path string) {
			remove(t, path)
			time.Sleep(removalDelay / 4)
			write(t, path, "new")
		},
		"write in many steps": func(t *testing.T, path string) {
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range "new" {
				time.Sleep(nothing / 3)
				if _, err := f.WriteString(string(b)); err != nil {
					t.Fatal(err)
				}
			}
			f.Close()
		},
		"swap a symbolic link": func(t *testing.T, path string) {
			target := filepath.Join(t.TempDir(), "target")
			write(t, target, "new")
			if err := os.Symlink(target, path+".tmp"); err != nil {
				t.Fatal(err)
			}
			rename(t, path+".tmp", path)
		},
	}
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			d, dir := newDir(t, 0)
			path := filepath.Join(dir, "a.ini")
			write(t, path, "old")
			r := run(t, d)
			r.until(t, "a.ini=old")
			change(t, path)
			if got := render(r.next(t)); got != "a.ini=new" {
				t.Errorf("reported %q, want a.ini=new", got)
			}
			r.quiet(t)
		})
	}
}

func TestTwoWritesInOneSecondBothCount(t *testing.T) {
	d, dir := newDir(t, 0)
	path := filepath.Join(dir, "a.ini")
	r := run(t, d)
	write(t, path, "1")
	r.until(t, "a.ini=1")
	write(t, path, "2")
	r.until(t, "a.ini=2")
}

func TestTouchIsAChangeAndOtherAttributesAreNot(t *testing.T) {
	d, dir := newDir(t, 0)
	path := filepath.Join(dir, "a.ini")
	write(t, path, "1")
	r := run(t, d)
	before := r.until(t, "a.ini=1")[0].Version
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	r.quiet(t)
	chtimes(t, path, time.Now().Add(time.Second))
	if r.until(t, "a.ini=1")[0].Version == before {
		t.Error("the version is the same after a touch")
	}
}

func TestLinksAreFollowedToTheEnd(t *testing.T) {
	d, dir := newDir(t, 0)
	releases := t.TempDir()
	for _, release := range []string{"1", "2"} {
		if err := os.Mkdir(filepath.Join(releases, release), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(releases, release, "a.ini"), release)
	}
	link(t, "1", filepath.Join(releases, "current"))
	link(t, filepath.Join(releases, "current", "a.ini"), filepath.Join(dir, "a.ini"))
	r := run(t, d)
	r.until(t, "a.ini=1")
	link(t, "2", filepath.Join(releases, "next"))
	rename(t, filepath.Join(releases, "next"), filepath.Join(releases, "current"))
	r.until(t, "a.ini=2")
	write(t, filepath.Join(releases, "2", "a.ini"), "2b")
	r.until(t, "a.ini=2b")
	remove(t, filepath.Join(releases, "2", "a.ini"))
	r.until(t, "a.ini=(is a symbolic link to a missing file)")
	write(t, filepath.Join(releases, "2", "a.ini"), "2c")
	r.until(t, "a.ini=2c")
}

func TestWhatIsNotAConfigurationIsLeftAlone(t *testing.T) {
	d, dir := newDir(t, 0)
	for _, name := range []string{".a.ini", "a.ini~", ".a.ini.swp", "a.ini.swp", "a.ini_", "a.txt", "ini", "a.ini.example"} {
		write(t, filepath.Join(dir, name), "x")
	}
	r := run(t, d)
	r.until(t, "")
	write(t, filepath.Join(dir, "4913"), "x")
	r.quiet(t)
}

func TestStrangeFilesAreErrorsOfTheirOwn(t *testing.T) {
	d, dir := newDir(t, 0)
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo.ini"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.ini"), 0o755); err != nil {
		t.Fatal(err)
	}
	link(t, "/nonexistent", filepath.Join(dir, "dangling.ini"))
	link(t, "loop.ini", filepath.Join(dir, "loop.ini"))
	link(t, "/dev/zero", filepath.Join(dir, "device.ini"))
	write(t, filepath.Join(dir, "huge.ini"), strings.Repeat("x", MaxConfig+1))
	write(t, filepath.Join(dir, strings.Repeat("n", 251)+".ini"), "x")
	write(t, filepath.Join(dir, strings.Repeat("m", 250)+".ini"), "x")
	write(t, filepath.Join(dir, "a \"b\"\n$(id)\xff.ini"), "odd")
	write(t, filepath.Join(dir, "-rf.ini"), "dash")
	r := run(t, d)
	want := strings.Join([]string{
		"-rf.ini=dash",
		"a \"b\"\n$(id)\xff.ini=odd",
		"dangling.ini=(is a symbolic link to a missing file)",
		"device.ini=(is a device, not a regular file)",
		"dir.ini=(is a directory, not a regular file)",
		"fifo.ini=(is a FIFO, not a regular file)",
		"huge.ini=(is larger than 1048576 bytes)",
		"loop.ini=(too many levels of symbolic links)",
		strings.Repeat("m", 250) + ".ini=x",
		strings.Repeat("n", 251) + ".ini=(its name is longer than 254 bytes)",
	}, " ")
	r.until(t, want)
}

func TestFileThatIsBeingWrittenFromTheStartIsLeftAlone(t *testing.T) {
	d, dir := newDir(t, 0)
	f, err := os.Create(filepath.Join(dir, "a.ini"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("half"); err != nil {
		t.Fatal(err)
	}
	r := run(t, d)
	r.until(t, "")
	r.quiet(t)
	if _, err := f.WriteString(" and half"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	r.until(t, "a.ini=half and half")
}

func TestDirectoryThatCannotBeReadKeepsItsVassals(t *testing.T) {
	d, dir := newDir(t, 0)
	write(t, filepath.Join(dir, "a.ini"), "1")
	r := run(t, d)
	r.until(t, "a.ini=1")
	rename(t, dir, dir+".away")
	r.quiet(t)
	if !strings.Contains(r.log.String(), "cannot read the directory; its vassals keep running") {
		t.Errorf("the log does not say so:\n%s", r.log)
	}
	write(t, filepath.Join(dir+".away", "b.ini"), "2")
	rename(t, dir+".away", dir)
	r.until(t, "a.ini=1 b.ini=2")
	write(t, filepath.Join(dir, "b.ini"), "3")
	r.until(t, "a.ini=1 b.ini=3")
}

func TestRescanFindsWhatEventsMissed(t *testing.T) {
	d, dir := newDir(t, 50*time.Millisecond)
	r := run(t, d)
	r.until(t, "")
	deafen(d.watch)
	write(t, filepath.Join(dir, "a.ini"), "1")
	r.until(t, "a.ini=1")
}

// A requested rescan needs neither events nor a period.
func TestRescanOnRequest(t *testing.T) {
	d, dir := newDir(t, 0)
	r := run(t, d)
	r.until(t, "")
	deafen(d.watch)
	write(t, filepath.Join(dir, "a.ini"), "1")
	r.quiet(t)
	d.Rescan()
	d.Rescan()
	r.until(t, "a.ini=1")
}

func chtimes(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}
