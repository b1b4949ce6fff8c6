package outset

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const roleEnv = "OUTSET_TEST_ROLE"

// Reserve is for programs whose main is locked to its thread.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "":
		os.Exit(m.Run())
	case "reserve":
		fmt.Println(reserve())
		return
	case "mortal":
		Mortal()
		if err := unix.Exec("/bin/sleep", []string{"sleep", "1000"}, nil); err != nil {
			fmt.Println(err)
		}
		return
	case "grow":
		fmt.Println(grow())
		return
	}
	before, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	Conceal()
	Signals()
	after, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	fmt.Println("dumpable", before, after)
	program := exec.Command("sed", "-n", "/^Sig[IB]/p", "/proc/self/status")
	program.Stdout = os.Stdout
	name, _ := os.ReadFile("/proc/self/comm")
	fmt.Printf("name %s", name)
	if err := program.Run(); err != nil {
		fmt.Println(err)
	}
}

// A process that started with ignored and blocked signals conceals itself, keeps its name, and
// starts programs that ignore and block none.
func TestOutset(t *testing.T) {
	cmd := exec.Command("sh", "-c", `trap "" INT HUP QUIT PIPE TSTP USR1; exec env --block-signal=USR2,TERM "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if want := "dumpable 1 0\nname outset.test\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000"; strings.TrimSpace(string(out)) != want {
		t.Errorf("%q, want %q", out, want)
	}
}

// A signal ends a process that becomes another program at every moment of its start: none is lost
// between the two programs.
func TestNoSignalIsLost(t *testing.T) {
	for i := range 300 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), roleEnv+"=mortal")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * 20 * time.Microsecond)
		s := []os.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGQUIT}[i%3]
		_ = cmd.Process.Signal(s)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			t.Fatalf("%v after %v is lost: %v", s, time.Duration(i)*20*time.Microsecond, <-ended)
		}
	}
}

// A program that is executed through a descriptor has its own name in process lists, and not
// the number of the descriptor.
func TestNameOfAHeldProgram(t *testing.T) {
	held, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	cmd := &exec.Cmd{Path: "/proc/self/fd/3", Args: []string{"vassal-server"}, Env: append(os.Environ(), roleEnv+"=1"), ExtraFiles: []*os.File{held}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "name vassal-server\n") {
		t.Errorf("%q", out)
	}
}
