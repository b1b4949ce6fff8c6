package pty

import (
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOptionsCrossTheCommandLine(t *testing.T) {
	for _, want := range []Options{
		{},
		{Log: true},
		{Input: true, NoISig: true},
		{Log: true, Exec: []string{"sh", "--log", "--", "x"}},
	} {
		args := want.Args("vassal-pty")
		if args[1] != ServeFlag {
			t.Errorf("%q does not begin with %s", args, ServeFlag)
		}
		if got := ParseArgs(args[2:]); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v became %+v", want, got)
		}
	}
}

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
