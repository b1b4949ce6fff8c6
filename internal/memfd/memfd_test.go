package memfd

import (
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestText: a text is whole, also one that is longer than a pipe holds, it is read from its
// beginning, and no process can change it.
func TestText(t *testing.T) {
	text := strings.Repeat("emperor ", 20_000)
	f, err := File("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil || string(got) != text {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	for what, change := range map[string]func() error{
		"written":   func() error { _, err := f.WriteAt([]byte("x"), 0); return err },
		"shortened": func() error { return f.Truncate(1) },
		"grown":     func() error { return f.Truncate(int64(len(text)) + 1) },
		"mapped": func() error {
			_, err := unix.Mmap(int(f.Fd()), 0, 1, unix.PROT_WRITE, unix.MAP_SHARED)
			return err
		},
	} {
		if err := change(); err == nil {
			t.Errorf("it was %s", what)
		}
	}
	if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("not closed on exec: %v", err)
	}
}

func TestShared(t *testing.T) {
	f, err := Shared("test", 8192)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	memory, err := unix.Mmap(int(f.Fd()), 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	memory[8191] = 1
	var b [1]byte
	if _, err := f.ReadAt(b[:], 8191); err != nil || b[0] != 1 {
		t.Errorf("read %d, %v", b[0], err)
	}
	if err := f.Truncate(0); err == nil {
		t.Error("it was shortened")
	}
}
