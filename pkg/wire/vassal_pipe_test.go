package wire

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// An emperor that does not read blocks no report. It receives each one later, except
// heartbeats beyond the room of the pipe.
func TestReportsToAnEmperorThatIsStopped(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p, emperor := NewVassalPipe(pair[1]), os.NewFile(uintptr(pair[0]), "emperor")
	defer emperor.Close()
	const beats = 1 << 16 // more than any socket holds, one byte each
	for range beats {
		if err := p.Report(Heartbeat); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []Report{Loyal, Heartbeat, Withdraw} {
		if err := p.Report(r); err != nil {
			t.Fatal(err)
		}
	}
	var heard []byte
	for !bytes.Contains(heard, []byte{byte(Loyal)}) || !bytes.Contains(heard, []byte{byte(Withdraw)}) {
		some := make([]byte, 1<<10)
		n, err := emperor.Read(some)
		if err != nil {
			t.Fatal(err)
		}
		heard = append(heard, some[:n]...)
	}
	if n := bytes.Count(heard, []byte{byte(Heartbeat)}); n == 0 || n >= beats {
		t.Errorf("%d heartbeats were heard of %d", n, beats)
	}
	emperor.Close()
	for range 2 {
		err = p.Report(Heartbeat)
	}
	if err == nil {
		t.Error("the end of the emperor is no error")
	}
}
