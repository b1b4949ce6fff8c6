package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

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
		address, err := terminalOf(s.Path)
		if err != nil {
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
		return enter(pidfd, pid, []string{client, "--connect", address})
	})
	_ = c.Flags().MarkHidden("json")
	return c
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
