package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/emperor-go/emperor/internal/libexec"
	"github.com/emperor-go/emperor/pkg/config"
)

// attachCommand attaches to a vassal's terminal.
func attachCommand() *cobra.Command {
	c := operate(&cobra.Command{
		Use: "attach NAME", Short: "show the terminal of a vassal", Args: cobra.ExactArgs(1),
		Long: "Connects to the terminal of a vassal's first worker (pty-socket). All clients share this terminal. Ctrl-] detaches.\n" +
			"NAME may be a pattern in quotes that matches one vassal.",
	}, func(ctx context.Context, o *operator, _ *cobra.Command, args []string) error {
		name, err := o.one(ctx, "attach", args[0])
		if err != nil {
			return err
		}
		v, err := o.hold(ctx, name)
		if err != nil {
			return err
		}
		defer v.close()
		address := sharedAt(v.PID)
		if address == "" {
			if address, err = terminalOf(v.Path); err != nil {
				return err
			}
		}
		conn, err := v.connect(address)
		if err != nil {
			return err
		}
		defer conn.Close()
		return restoring(os.Stdin, func() error { return show(conn) })
	})
	_ = c.Flags().MarkHidden("json")
	return c
}

// restoring runs a client. The client restores the terminal itself, unless it is killed together
// with the vassal whose pid namespace it is in; then restoring does.
func restoring(terminal *os.File, client func() error) error {
	fd := int(terminal.Fd())
	before, noTerminal := term.GetState(fd)
	err := client()
	var exit exitError
	if errors.As(err, &exit) && exit.code == 128+int(unix.SIGKILL) && noTerminal == nil {
		_ = term.Restore(fd, before)
		fmt.Print("\r\nDetached.\r\n")
	}
	return err
}

// sharedAt returns the address of the terminal that a vassal currently shares, taken from the
// command line of the sharing program; empty: it shares none.
func sharedAt(vassal int) string {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", vassal))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(text)) {
			line, _ := os.ReadFile("/proc/" + child + "/cmdline")
			args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
			if len(args) > 3 && args[0] == libexec.Helper && args[1] == libexec.PTY && args[2] == "--serve" {
				if at, ok := strings.CutPrefix(args[3], "--at="); ok {
					return at
				}
			}
		}
	}
	return ""
}

// terminalOf reads the address of a vassal's terminal from the vassal's file.
func terminalOf(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("cannot read the configuration of the vassal: %w", err)
	}
	v, _, err := config.ParseVassal(config.Source{Name: filepath.Base(path), Path: path, Data: data})
	if err != nil {
		return "", err
	}
	if v.Terminal.Socket == "" {
		return "", fmt.Errorf("the vassal has no terminal: pty-socket is missing in %s", path)
	}
	return v.Terminal.Socket, nil
}

// connect returns a connection to an address in the vassal, made with the rights of the vassal.
func (v *held) connect(address string) (conn *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "connection"), os.NewFile(uintptr(pair[1]), "connection")
	defer ours.Close()
	defer theirs.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	helper, err := v.send(errand{Address: []byte(address)}, [3]*os.File{theirs, write, write})
	write.Close()
	if err != nil {
		return nil, err
	}
	why, _ := io.ReadAll(io.LimitReader(read, 4<<10))
	if helper.Wait() != nil {
		return nil, fmt.Errorf("cannot attach: %s", strings.TrimPrefix(strings.TrimSpace(string(why)), "emperor: "))
	}
	room := make([]byte, unix.CmsgSpace(4))
	_, size, _, _, err := unix.Recvmsg(pair[0], make([]byte, 1), room, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot attach: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(room[:size])
	if err != nil || len(messages) != 1 {
		return nil, errors.New("cannot attach: no connection")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.New("cannot attach: no connection")
	}
	return os.NewFile(uintptr(fds[0]), address), nil
}

// show runs the client of a terminal on a connection.
func show(conn *os.File) error {
	program, err := libexec.Find(libexec.Helper)
	if err != nil {
		return err
	}
	client := exec.Command(program, libexec.PTY, "--connected")
	client.Stdin, client.Stdout, client.Stderr, client.ExtraFiles = os.Stdin, os.Stdout, os.Stderr, []*os.File{conn}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT)
	defer signal.Stop(signals)
	if err := client.Start(); err != nil {
		return fmt.Errorf("cannot start %s: %w", libexec.Helper, err)
	}
	go func() {
		for s := range signals {
			_ = client.Process.Signal(s)
		}
	}()
	code, err := exitCode(client.Wait())
	if err == nil && code != 0 {
		err = exitError{errQuiet, code}
	}
	return err
}
