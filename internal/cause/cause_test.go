package cause

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"
)

// TestOf: the file and the address are gone, and the error is the same.
func TestOf(t *testing.T) {
	path := &os.PathError{Op: "open", Path: "/a", Err: syscall.EACCES}
	for want, err := range map[string]error{
		"permission denied": path,
		"file exists":       &os.LinkError{Op: "symlink", Old: "a", New: "b", Err: syscall.EEXIST},
		"connection refused": &net.OpError{
			Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: "/a", Net: "unix"}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
		},
		"missing port in address": &net.OpError{Op: "listen", Err: &net.AddrError{Err: "missing port in address", Addr: "::"}},
		"no such host":            &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x"}},
		"not of a file":           errors.New("not of a file"),
		"unexpected EOF":          &url.Error{Op: "Get", URL: "http://emperor/v1/vassals", Err: io.ErrUnexpectedEOF},
		"broken pipe":             &url.Error{Op: "Get", URL: "http://emperor/", Err: &net.OpError{Op: "write", Net: "unix", Err: os.NewSyscallError("write", syscall.EPIPE)}},
		"no such name":            &url.Error{Op: "Get", URL: "http://x/", Err: &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such name", UnwrapErr: io.EOF}}},
	} {
		if got := Of(err); got.Error() != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
	if got := Of(fmt.Errorf("cannot read: %w", path)); !errors.Is(got, os.ErrPermission) {
		t.Errorf("got %v", got)
	}
	if Of(nil) != nil {
		t.Error("no error has a cause")
	}
}
