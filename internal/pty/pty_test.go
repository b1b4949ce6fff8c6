package pty

import (
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/ptmx"
)

func TestOptionsCrossTheCommandLine(t *testing.T) {
	for _, want := range []Options{
		{},
		{Log: true},
		{Input: true, NoISig: true},
		{At: "/run/a b.tty", NoISig: true},
		{At: "@x", Log: true, Exec: []string{"sh", "--log", "--", "x"}},
	} {
		args := want.Args()
		if args[0] != ServeFlag {
			t.Errorf("%q does not begin with %s", args, ServeFlag)
		}
		if got := ParseArgs(args[1:]); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v became %+v", want, got)
		}
	}
}

// The program that shows a terminal receives it, and notices its end.
func TestGiveAndTake(t *testing.T) {
	ours, theirs, err := Control()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	c, err := net.FileConn(theirs)
	theirs.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	master, slave, err := ptmx.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	held, err := unix.PidfdOpen(os.Getpid(), unix.PIDFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	if err := Give(ours, master, held); err != nil {
		t.Fatal(err)
	}
	master.Close()
	_ = unix.Close(held)
	control := c.(*net.UnixConn)
	tty, worker, err := Take(control)
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	if _, err := slave.WriteString("said"); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 4)
	if _, err := io.ReadFull(tty, said); err != nil || string(said) != "said" {
		t.Errorf("%q, %v", said, err)
	}
	go tty.Close() // interrupts the reader
	if _, err := tty.Read(said); err == nil {
		t.Error("it reads on")
	}
	if err := unix.Sendmsg(int(ours.Fd()), []byte{1}, nil, nil, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Take(control); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("nothing was given: %v", err)
	}
	ours.Close()
	if _, _, err := Take(control); !errors.Is(err, io.EOF) {
		t.Errorf("the end is %v", err)
	}
	if err := Give(ours, slave, 0); err == nil {
		t.Error("a descriptor is given to no process")
	}
}
