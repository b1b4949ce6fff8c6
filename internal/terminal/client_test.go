package terminal

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	creack "github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// clientEnv makes this program the client of the descriptor 3.
const clientEnv = "TERMINAL_CLIENT"

func TestMain(m *testing.M) {
	if os.Getenv(clientEnv) == "" {
		os.Exit(m.Run())
	}
	conn, err := net.FileConn(os.NewFile(3, "connection"))
	if err == nil {
		err = Connect(conn, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// terminals returns both sides of a scripted terminal.
func terminals(t *testing.T) (screen, tty *os.File) {
	t.Helper()
	screen, tty, err := creack.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close(); tty.Close() })
	return screen, tty
}

// startClient starts a client of a hub on a terminal, with an output.
func startClient(t *testing.T, h *Hub, tty, out *os.File) *exec.Cmd {
	t.Helper()
	conn := connect(t, h)
	file, err := conn.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	defer conn.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), clientEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = tty, out, tty, []*os.File{file}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// The client is a process on a scripted terminal. The terminal is restored in every case.
func TestClientRestoresTheTerminal(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, h *Hub, screen, worker *os.File, cmd *exec.Cmd){
		"the detach key": func(t *testing.T, _ *Hub, screen, worker *os.File, _ *exec.Cmd) {
			send(t, screen, "typed\x1dnot typed")
			expect(t, worker, "typed")
		},
		"SIGTERM":            func(_ *testing.T, _ *Hub, _, _ *os.File, cmd *exec.Cmd) { _ = cmd.Process.Signal(syscall.SIGTERM) },
		"SIGHUP":             func(_ *testing.T, _ *Hub, _, _ *os.File, cmd *exec.Cmd) { _ = cmd.Process.Signal(syscall.SIGHUP) },
		"the worker is gone": func(_ *testing.T, h *Hub, _, _ *os.File, _ *exec.Cmd) { h.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			h, worker := stage(t)
			screen, tty := terminals(t)
			if err := creack.Setsize(screen, &creack.Winsize{Rows: 33, Cols: 77}); err != nil {
				t.Fatal(err)
			}
			before := termios(t, tty)
			cmd := startClient(t, h, tty, tty)
			expect(t, screen, "Ctrl-] detaches")
			send(t, worker, "shown")
			expect(t, screen, "shown")
			if termios(t, tty) == before {
				t.Error("the terminal is not raw")
			}
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
				w, err := unix.IoctlGetWinsize(int(worker.Fd()), unix.TIOCGWINSZ)
				if err == nil && w.Row == 33 && w.Col == 77 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("the window has %+v, %v", w, err)
				}
			}
			send(t, screen, "\x03") // a key like any other
			expect(t, worker, "\x03")
			end(t, h, screen, worker, cmd)
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case <-ended:
			case <-time.After(patience):
				_ = cmd.Process.Kill()
				t.Fatal("the client does not end")
			}
			if after := termios(t, tty); after != before {
				t.Errorf("the terminal was %+v and is %+v", before, after)
			}
			expect(t, screen, "Detached.")
		})
	}
}

// A client whose output has no reader any more ends without an error, and restores its
// terminal.
func TestClientWithoutAReader(t *testing.T) {
	h, worker := stage(t)
	_, tty := terminals(t)
	shown, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	before := termios(t, tty)
	cmd := startClient(t, h, tty, out)
	out.Close()
	expect(t, shown, "Ctrl-] detaches")
	shown.Close()
	send(t, worker, "not shown")
	if err := cmd.Wait(); err != nil {
		t.Errorf("the client ended with %v", err)
	}
	if after := termios(t, tty); after != before {
		t.Errorf("the terminal was %+v and is %+v", before, after)
	}
}

// A client whose input is no terminal ends by itself after its input has been typed and the
// output has been shown.
func TestClientWithoutATerminalEnds(t *testing.T) {
	for _, typed := range []string{"", "typed"} {
		h, worker := stage(t)
		in, keys, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		shown, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		send(t, keys, typed)
		keys.Close()
		ended := make(chan error, 1)
		conn := connect(t, h)
		go func() { ended <- Connect(conn, in, out) }()
		expect(t, worker, typed)
		send(t, worker, "shown")
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Fatal("the client does not end")
		}
		expect(t, shown, "shown")
	}
}

func termios(t *testing.T, tty *os.File) unix.Termios {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *state
}
