package namespaces

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestCloseOnExecFrom(t *testing.T) {
	r, _ := pipe(t)
	// A few unused numbers above all open descriptors; the gap does not matter.
	var fds []int
	for _, n := range []int{200, 201, 900} {
		fd, err := unix.FcntlInt(r.Fd(), unix.F_DUPFD, n)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		fds = append(fds, fd)
	}
	if err := CloseOnExecFrom(uint(fds[1])); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, true} {
		flags, err := unix.FcntlInt(uintptr(fds[i]), unix.F_GETFD, 0)
		if err != nil {
			t.Fatalf("descriptor %d was closed: %v", fds[i], err)
		}
		if got := flags&unix.FD_CLOEXEC != 0; got != want {
			t.Errorf("descriptor %d: close-on-exec is %v, want %v", fds[i], got, want)
		}
	}
}
