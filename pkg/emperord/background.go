package emperord

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/cli"
	"github.com/emperor-go/emperor/pkg/config"
)

// detachedEnv is set for an emperor that was started to run in the background. Its value is
// the descriptor on which another emperor, in the foreground, waits for it.
const detachedEnv = "EMPEROR_DETACHED"

// foreground is the waiting emperor in the foreground. Nil: none.
type foreground struct{ pipe *os.File }

// detach starts the emperor again, in a session of its own, and waits until its log and pid
// file exist: an init script may rely on them when this process exits. It returns the exit
// code of this process, and whether the process is to exit.
func detach(o *config.Emperor) (code int, over bool, err error) {
	if !o.Process.Daemonize || os.Getenv(detachedEnv) != "" || expected() {
		return 0, false, nil
	}
	self, err := os.Executable()
	if err != nil {
		return 0, false, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return 0, false, err
	}
	defer read.Close()
	cmd := exec.Command(self)
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), detachedEnv+"="+strconv.Itoa(3))
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdout, os.Stderr, []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return 0, false, fmt.Errorf("cannot run in the background: %w", err)
	}
	output, err := io.ReadAll(read)
	if err == nil && string(output) == detachedReady {
		return 0, true, nil
	}
	fmt.Fprint(os.Stderr, string(output))
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return exit.ExitCode(), true, nil
	}
	return cli.ExitFailed, true, nil
}

// expected reports whether a service manager expects the emperor in the foreground, or this is
// process 1, with which all others would end.
func expected() bool { return os.Getenv("NOTIFY_SOCKET") != "" || os.Getpid() == 1 }

// stays warns about an emperor that cannot go into the background.
func stays(o *config.Emperor) config.Problems {
	if !o.Process.Daemonize || !expected() {
		return nil
	}
	return config.Problems{{
		Origin: o.Origin("daemonize"), Key: "daemonize", What: "the service manager expects the emperor in the foreground; it stays there",
		Hint: "logto = FILE",
	}}
}

// detachedReady is the message of the emperor in the background when it is ready.
const detachedReady = "ready"

// inForeground returns the emperor that waits for this one.
func inForeground() *foreground {
	fd, err := strconv.Atoi(os.Getenv(detachedEnv))
	if err != nil || fd < 3 {
		return nil
	}
	_ = os.Unsetenv(detachedEnv)
	unix.CloseOnExec(fd)
	return &foreground{os.NewFile(uintptr(fd), "foreground")}
}

// ready lets the other emperor exit with success.
func (f *foreground) ready() {
	if f != nil {
		_, _ = io.WriteString(f.pipe, detachedReady)
		f.pipe.Close()
	}
}

// failed makes the other emperor print the error of this one, and reports whether there is
// one. After ready it prints nothing.
func (f *foreground) failed(err error) bool {
	if f != nil {
		fmt.Fprintln(f.pipe, "emperor:", err)
		f.pipe.Close()
	}
	return f != nil
}
