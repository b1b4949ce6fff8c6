package cli

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// paged calls print with the output of a command in a pager, if the output is a terminal:
// $EMPEROR_PAGER, $PAGER or less. An empty variable, cat, or a
// program that the shell cannot execute means none.
func paged(c *cobra.Command, print func() error) error {
	pager := pagerOf(os.LookupEnv)
	if _, _, terminal := screen(); !terminal || dumb() || pager == "" || c.OutOrStdout() != os.Stdout {
		return print()
	}
	p := exec.Command("sh", "-c", "exec "+pager)
	p.Stdout, p.Stderr, p.Env = os.Stdout, os.Stderr, pagerEnviron(os.Environ())
	in, err := p.StdinPipe()
	if err != nil {
		return print()
	}
	if err := p.Start(); err != nil {
		return print()
	}
	c.SetOut(in)
	err = print()
	_ = in.Close()
	if missing(p.Wait()) {
		c.SetOut(os.Stdout)
		return print()
	}
	if errors.Is(err, syscall.EPIPE) {
		return nil // the operator has seen enough
	}
	return err
}

// missing reports whether the shell has not executed a pager, whose other results are the operator's own.
func missing(result error) bool {
	exit, ok := errors.AsType[*exec.ExitError](result)
	return ok && (exit.ExitCode() == exitNotFound || exit.ExitCode() == exitNotExecutable)
}

// pagerOf returns the command of the pager. Empty: none.
func pagerOf(lookup func(string) (string, bool)) string {
	for _, name := range []string{"EMPEROR_PAGER", "PAGER"} {
		if text, set := lookup(name); set {
			if text = strings.TrimSpace(text); text == "cat" {
				return ""
			}
			return text
		}
	}
	if _, err := exec.LookPath("less"); err != nil {
		return ""
	}
	return "less"
}

// pagerEnviron adds the options of less: a short text is printed as it is, and colours are shown. With
// the rights of another user (sudo(8)) it starts no other programs.
func pagerEnviron(environ []string) []string {
	has := func(name string) bool {
		return slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, name+"=") })
	}
	environ = slices.Clone(environ)
	if !has("LESS") {
		environ = append(environ, "LESS=FRX")
	}
	if has("SUDO_UID") && !has("LESSSECURE") {
		environ = append(environ, "LESSSECURE=1")
	}
	return environ
}
