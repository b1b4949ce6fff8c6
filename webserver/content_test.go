package webserver

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/revision"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

// contentOf opens a file as a request does, and returns its content.
func contentOf(t *testing.T, c *smallFiles, d *directory, name string) *content {
	t.Helper()
	o, err := d.open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	found, err := c.of(&o)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// A file that has not changed for a while is read once, and every change of it shows at once,
// also one of the same size.
func TestSmallFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := openDirectory(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	c := &smallFiles{}
	for i := range 50 { // changes within one tick of the clock
		text := fmt.Sprintf("%02d", i)
		write(text)
		if got := contentOf(t, c, d, "a"); string(got.body) != text {
			t.Fatalf("%q, want %q", got.body, text)
		}
	}
	time.Sleep(2*time.Second + 100*time.Millisecond) // a file system may store whole seconds
	first := contentOf(t, c, d, "a")
	if again := contentOf(t, c, d, "a"); again != first {
		t.Error("a file without changes is read again")
	}
	if err := os.Rename(file, file+"2"); err != nil {
		t.Fatal(err)
	}
	write("xy")
	if got := contentOf(t, c, d, "a"); string(got.body) != "xy" {
		t.Errorf("%q after a rename", got.body)
	}
	before := time.Now().Add(-time.Hour) // the kernel still records the time of the change
	write("zz")
	if err := os.Chtimes(file, before, before); err != nil {
		t.Fatal(err)
	}
	contentOf(t, c, d, "a")
	write("uv")
	if err := os.Chtimes(file, before, before); err != nil {
		t.Fatal(err)
	}
	if got := contentOf(t, c, d, "a"); string(got.body) != "uv" {
		t.Errorf("%q after a change with the old time", got.body)
	}
}

// A file that was opened in the tick of its last change is not held, however long reading it takes:
// an edit after the read could make the same revision.
func TestTwoEditsInOneTick(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := openDirectory(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	for _, tt := range []struct {
		age  time.Duration // of the last change, when the file was opened
		held int
	}{{time.Millisecond, 0}, {time.Second, 1}} {
		o, err := d.open("a")
		if err != nil {
			t.Fatal(err)
		}
		o.seen = time.Now().Add(-time.Hour) // the read takes an hour
		o.about.Ctim = unix.NsecToTimespec(o.seen.Add(-tt.age).UnixNano())
		c := &smallFiles{}
		if _, err := c.of(&o); err != nil {
			t.Fatal(err)
		}
		if o.close(); len(c.files) != tt.held {
			t.Errorf("changed %v before it was opened: %d contents are held", tt.age, len(c.files))
		}
	}
}

// The memory for content is limited, and a large file takes none.
func TestSmallFilesAreLimited(t *testing.T) {
	c := &smallFiles{}
	for i := range 10_000 {
		c.put(revision.Revision{Ino: uint64(i)}, &content{body: make([]byte, i%smallSize)})
		if c.bytes > smallTotal || c.bytes < 0 {
			t.Fatalf("%d bytes", c.bytes)
		}
	}
	if len(c.files) == 0 || len(c.files) > smallTotal/512 {
		t.Errorf("%d files", len(c.files))
	}
	sum := 0
	for _, f := range c.files {
		sum += 512 + len(f.body)
	}
	if sum != c.bytes {
		t.Errorf("%d bytes are counted, %d are held", c.bytes, sum)
	}
	dir := tree(t, map[string]string{"large": string(bytes.Repeat([]byte("x"), smallSize+1))})
	d, err := openDirectory(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if got := contentOf(t, c, d, "large"); got.small || got.body != nil || got.kind[0] != "text/plain; charset=utf-8" {
		t.Errorf("%+v", got)
	}
}

// Without openat2(2) the answers are the same: links that stay inside work, others do not.
func TestWithoutOpenat2(t *testing.T) {
	for _, refusal := range []error{unix.ENOSYS, unix.EPERM, unix.EAGAIN} {
		t.Run(refusal.Error(), func(t *testing.T) {
			outside := tree(t, map[string]string{"secret": "secret"})
			dir := tree(t, map[string]string{"a.txt": "a", "in": "->a.txt", "abs": "->DIR/a.txt", "up": "->../../../etc/passwd", "out": "->" + outside + "/secret"})
			openat2 = func(int, string, *unix.OpenHow) (int, error) { return -1, refusal }
			defer func() { openat2 = unix.Openat2 }()
			s := start(t, serving.Options{StaticMaps: []serving.Map{{Mount: "/", Dir: dir}}})
			for path, status := range map[string]int{"/a.txt": 200, "/in": 200, "/abs": 200, "/up": 404, "/out": 404, "/none": 404} {
				if a, _ := s.get(path); a.StatusCode != status {
					t.Errorf("%s: %d, want %d", path, a.StatusCode, status)
				}
			}
		})
	}
}
