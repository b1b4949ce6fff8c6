package namespaces

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestJoinKeyring: each keyring is a new one.
func TestJoinKeyring(t *testing.T) {
	if err := Keyrings(); err != nil {
		t.Skip(err)
	}
	serials := make(chan int)
	for range 2 {
		go func() {
			runtime.LockOSThread() // the thread ends here
			if err := joinKeyring(); err != nil {
				t.Error(err)
			}
			serial, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
			if err != nil {
				t.Error(err)
			}
			serials <- serial
		}()
	}
	if a, b := <-serials, <-serials; a == b {
		t.Errorf("both threads have the keyring %d", a)
	}
}
