package process

import (
	"bytes"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// widePipe returns a new pipe, widened, with its part of the share and its size.
func widePipe(t *testing.T, p *pipeSizer) (part int64, size int) {
	t.Helper()
	read, write, err := pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll([]*os.File{read, write}) })
	part = p.enlarge(write)
	if size, err = unix.FcntlInt(read.Fd(), unix.F_GETPIPE_SZ, 0); err != nil {
		t.Fatal(err)
	}
	return part, size
}

func TestPipesOfRootAreWide(t *testing.T) {
	if os.Geteuid() != 0 || pipeShare() != 0 {
		t.Skip("needs root of the machine: others have a share")
	}
	var p pipeSizer
	for range 100 { // more than the share of others
		if part, size := widePipe(t, &p); part != 0 || size < outputRoom {
			t.Fatalf("a pipe holds %d bytes, %d of a share", size, part)
		}
	}
}

// A user without privileges gets wide pipes, and then ordinary ones, before the kernel makes
// the pipes of this user small.
func TestPipesOfOthersLeaveSomeOfTheirShare(t *testing.T) {
	const again = "PIPES_TEST_AGAIN"
	if os.Geteuid() == 0 {
		if os.Getenv(again) != "" {
			t.Fatal("this is root")
		}
		cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), again+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
			t.Errorf("as another user: %v\n%s", err, out)
		}
		return
	}
	var p pipeSizer
	wide, share := 0, pipeShare()
	for {
		part, size := widePipe(t, &p)
		if part == 0 {
			if size < pipeSize {
				t.Errorf("after %d wide pipes the next one holds %d bytes", wide, size)
			}
			break
		}
		if size < outputRoom {
			t.Fatalf("a wide pipe holds %d bytes", size)
		}
		wide++
	}
	if want := int(share / 2 / outputRoom); wide != want {
		t.Errorf("%d pipes are wide, want %d of a share of %d bytes", wide, want, share)
	}
	p.release(outputRoom)
	if part, size := widePipe(t, &p); part != outputRoom || size != outputRoom {
		t.Errorf("after one has gone the next one holds %d bytes, %d of the share", size, part)
	}
}
