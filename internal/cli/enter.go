package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/nss"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// enterCommand runs a program in a vassal.
func enterCommand() *cobra.Command {
	asRoot := false
	c := operate(&cobra.Command{
		Use: "enter NAME [CMD ARGS…]", Aliases: []string{"exec"}, Short: "run a shell or a program in a vassal, as its user", Args: cobra.MinimumNArgs(1),
		Long: "Runs a shell, or CMD, in the namespaces, the root directory and the cgroup of a vassal. It has the rights of the vassal's\n" +
			"first process: user, groups and capabilities. Its environment contains TERM and LANG of the caller, a PATH, and HOME, USER\n" +
			"and LOGNAME of that user. On a terminal the program gets a new terminal, which ends with it. Other input and output goes\n" +
			"through pipes unchanged.\n" +
			"With --root the program keeps all rights, as root of this machine, and stays outside the cgroup.\n" +
			"NAME may be a pattern in quotes that matches one vassal.\n\n" +
			"The exit status is the program's; " + exitTexts(firstOfShell, len(exitTable)),
	}, func(ctx context.Context, o *operator, _ *cobra.Command, args []string) error {
		name, err := o.one(ctx, "enter", args[0])
		if err != nil {
			return err
		}
		v, err := o.hold(ctx, name)
		if err != nil {
			return err
		}
		defer v.close()
		v.asRoot = asRoot
		command := args[1:]
		if len(command) > 0 && command[0] == "--" {
			command = command[1:]
		}
		return v.enter(command)
	})
	c.Flags().SetInterspersed(false)
	c.Flags().BoolVar(&asRoot, "root", false, "keep all rights: the program is root of this machine")
	_ = c.Flags().MarkHidden("json")
	return c
}

// held is a vassal with a pidfd of its first process.
type held struct {
	control.Status
	pidfd  *os.File
	asRoot bool
}

func (v *held) close() { v.pidfd.Close() }

// hold opens a pidfd of a vassal's first process. When process 1 of the vassal supervises a
// program, it opens the pidfd of that program.
func (o *operator) hold(ctx context.Context, name string) (*held, error) {
	v := &held{}
	look := func() (emperor.Record, error) {
		err := o.get(ctx, of(name, ""), &v.Status)
		return v.Record, err
	}
	record, err := look()
	pidfd := -1
	if err == nil {
		pidfd, v.Record, err = control.Hold(record, look)
	}
	if err != nil {
		return nil, err
	}
	v.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	if v.Program == 0 {
		return v, nil
	}
	defer v.pidfd.Close() // the pidfd has kept the number of the parent from being reused
	v.PID, v.pidfd, err = namespaces.HoldChild(v.PID, v.Program)
	if err != nil {
		return nil, fmt.Errorf("%q has just ended: %w", v.Name, err)
	}
	return v, nil
}

// enter runs a command, or a shell, in the vassal. The exit status of the emperor's command is
// the program's.
func (v *held) enter(command []string) error {
	model, err := namespaces.LimitsOf(v.PID, false)
	if err != nil {
		return err
	}
	if v.State == emperor.Starting && model.UID == 0 && !v.asRoot {
		return fmt.Errorf("%q is starting and still runs as root (use --root to enter as root)", v.Name)
	}
	if v.asRoot {
		model = namespaces.Limits{}
		fmt.Fprintf(os.Stderr, "emperor: entering %q with all rights: its programs run as root%s\n", v.Name, v.whose())
	}
	if len(command) == 0 {
		command = []string{"/bin/sh"}
	}
	s, err := newStreams(int(model.UID))
	if err != nil {
		return err
	}
	x := errand{Terminal: s.terminal != nil}
	for _, w := range command {
		x.Command = append(x.Command, []byte(w))
	}
	for _, e := range v.environ(model.UID, command[0], x.Terminal) {
		x.Env = append(x.Env, []byte(e))
	}
	cmd, err := v.send(x, s.theirs)
	if err != nil {
		s.close()
		return err
	}
	code, err := s.attend(cmd)
	if err == nil && code != 0 {
		err = exitError{errQuiet, code}
	}
	return err
}

// whose names the scope of root's rights, for the warning.
func (v *held) whose() string {
	if shared, err := namespaces.Shares(v.PID, "user"); err == nil && !shared {
		return " of its user namespace"
	}
	return " of this machine"
}

// send starts the helper process for an errand, with three files as its standard streams. The
// helper dies with the calling thread, which stays locked.
func (v *held) send(x errand, stdio [3]*os.File) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	// The vassal must not inherit other descriptors.
	if err := namespaces.CloseOnExecFrom(3); err != nil {
		return nil, err
	}
	which, err := namespaces.Differing(v.PID)
	if err != nil {
		return nil, err
	}
	visit := namespaces.Visit{Program: self, Namespaces: which, Of: namespaces.PID(v.PID), At: v.PID, AtRoot: x.Address == nil, Held: v.pidfd, Confine: !v.asRoot}
	if !v.asRoot {
		if visit.Landlocks, err = v.Landlocks.Known(); err != nil {
			return nil, fmt.Errorf("%w (--root enters without)", err)
		}
	}
	visitor, err := visit.Prepare(x)
	if err != nil {
		return nil, err
	}
	defer visitor.Close()
	cmd := &exec.Cmd{Path: visitor.Path, Args: visitor.Args, Env: []string{}, ExtraFiles: visitor.Files}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdio[0], stdio[1], stdio[2]
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if v.Cgroup != "" && !v.asRoot {
		dir, err := os.OpenFile(v.Cgroup, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return nil, fmt.Errorf("cannot enter the cgroup of the vassal: %w (--root stays outside it)", err)
		}
		defer dir.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}
	runtime.LockOSThread()
	err = cmd.Start()
	switch {
	case errors.Is(err, unix.EACCES) && os.Geteuid() != 0: // cgroups(7): no right to move from this cgroup to that one
		return nil, fmt.Errorf("cannot start a program in the cgroup of the vassal: %w (systemd-run --user --scope emperor enter ...; --root stays outside it)", err)
	case errors.Is(err, unix.EAGAIN):
		return nil, fmt.Errorf("cannot start a program in the cgroup of the vassal: %w (--root stays outside it)", err)
	}
	return cmd, err
}

// sanePath is the PATH of the program in the vassal.
const sanePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environ returns the environment of a program for its user. It passes no other variable of the
// operator to a tenant.
func (v *held) environ(uid uint32, program string, terminal bool) []string {
	env := []string{"PATH=" + sanePath}
	for _, key := range []string{"TERM", "LANG"} {
		if value, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+value)
		}
	}
	home := "/"
	if account, err := nss.UserID(strconv.FormatUint(uint64(uid), 10)); err == nil {
		env = append(env, "USER="+account.Username, "LOGNAME="+account.Username)
		home = account.HomeDir
	}
	env = append(env, "HOME="+home)
	if terminal && strings.HasSuffix(filepath.Base(program), "sh") {
		env = append(env, "PS1="+prompt(v.Name, uid))
	}
	return env
}

// prompt returns a shell prompt with the vassal's name. The shell expands the text, so it
// contains only plain characters of the name.
func prompt(name string, uid uint32) string {
	plain := strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("._@+-", r)) {
			return r
		}
		return '?'
	}, name)
	sign := "$"
	if uid == 0 {
		sign = "#"
	}
	return plain + ":$PWD " + sign + " "
}

// errQuiet is an error whose text has been printed already.
var errQuiet = errors.New("")
