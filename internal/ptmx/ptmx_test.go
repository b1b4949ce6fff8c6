package ptmx

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestTerminal(t *testing.T) {
	master, slave, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	signals := func() bool {
		t.Helper()
		state, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		return state.Lflag&unix.ISIG != 0
	}
	if !signals() {
		t.Error("Ctrl-C makes no signal")
	}
	if err := NoISig(master); err != nil {
		t.Fatal(err)
	}
	if signals() {
		t.Error("Ctrl-C still makes a signal")
	}
}

func TestCopySize(t *testing.T) {
	master, slave, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	other, peer, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	defer peer.Close()
	want := &unix.Winsize{Row: 31, Col: 91}
	if err := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, want); err != nil {
		t.Fatal(err)
	}
	CopySize(other, int(slave.Fd()))
	if got, err := unix.IoctlGetWinsize(int(peer.Fd()), unix.TIOCGWINSZ); err != nil || *got != *want {
		t.Errorf("the size is %+v, %v", got, err)
	}
	CopySize(other, -1) // without a size
}
