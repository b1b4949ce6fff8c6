package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor/control"
)

// attachCommand is a client of a vassal's terminal.
func attachCommand() *cobra.Command {
	c := operate(&cobra.Command{
		Use: "attach NAME", Short: "show the terminal of a vassal", Args: cobra.ExactArgs(1),
		Long: "Shows the terminal of a vassal's first worker (pty-socket), which all who attach share. Ctrl-] detaches.",
	}, func(ctx context.Context, o *operator, _ *cobra.Command, args []string) error {
		var s control.Status
		if err := o.get(ctx, of(args[0], ""), &s); err != nil {
			return err
		}
		client, err := terminalClient()
		if err != nil {
			return err
		}
		pidfd, pid, err := o.hold(ctx, args[0])
		if err != nil {
			return err
		}
		defer unix.Close(pidfd)
		address := sharedAt(pid)
		if address == "" {
			if address, err = terminalOf(s.Path); err != nil {
				return err
			}
		}
		return restoring(os.Stdin, func() error { return enter(pidfd, pid, []string{client, "--connect", address}) })
	})
	_ = c.Flags().MarkHidden("json")
	return c
}

// restoring runs a client, which restores the terminal itself unless it is killed: it
// dies with the vassal whose process namespace it is in.
func restoring(terminal *os.File, client func() error) error {
	fd := int(terminal.Fd())
	before, noTerminal := term.GetState(fd)
	err := client()
	var exit failure
	if errors.As(err, &exit) && exit.code == 128+int(unix.SIGKILL) && noTerminal == nil {
		_ = term.Restore(fd, before)
		fmt.Print("\r\nDetached.\r\n")
	}
	return err
}

// sharedAt is the address of the terminal that a vassal shares now, wherever that
// was written: the program that does it has it on its command line. Empty: it shares
// none.
func sharedAt(vassal int) string {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", vassal))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(text)) {
			line, _ := os.ReadFile("/proc/" + child + "/cmdline")
			args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
			if len(args) > 2 && args[0] == "vassal-pty" && args[1] == "--serve" {
				if at, ok := strings.CutPrefix(args[2], "--at="); ok {
					return at
				}
			}
		}
	}
	return ""
}

// terminalOf reads the address of a vassal's terminal in its file.
func terminalOf(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("cannot read its configuration: %w", err)
	}
	v, _, err := config.ParseVassal(config.Source{Name: filepath.Base(path), Path: path, Data: data})
	if err != nil {
		return "", err
	}
	if v.Terminal.Socket == "" {
		return "", fmt.Errorf("it has no terminal: %s says nothing of pty-socket", path)
	}
	return v.Terminal.Socket, nil
}

// terminalClient is the program beside this one, by a path that means the same in
// the namespaces of any vassal.
func terminalClient() (string, error) {
	own, err := os.Executable()
	if err != nil {
		return "", err
	}
	fd, err := unix.Open(filepath.Join(filepath.Dir(own), "vassal-pty"), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("cannot find vassal-pty beside this program: %w", err)
	}
	return "/proc/self/fd/" + strconv.Itoa(fd), nil
}
