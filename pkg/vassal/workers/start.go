package workers

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/programs"
)

// start forks and executes a program, like syscall.ForkExec. If the master is already in the
// directory, the child inherits it: the path may lead through directories that only root can
// enter, such as a clone below /root. uWSGI inherits it too.
func start(path string, argv []string, a *syscall.ProcAttr) (pid int, err error) {
	if here, err := syscall.Getwd(); err == nil && here == a.Dir {
		a.Dir = ""
	}
	pid, err = syscall.ForkExec(path, argv, a)
	if err != nil && a.Dir != "" {
		if enter := unix.Faccessat(unix.AT_FDCWD, a.Dir, unix.X_OK, unix.AT_EACCESS); enter != nil {
			return 0, programs.CannotEnter(a.Dir, unix.Geteuid(), enter)
		}
	}
	return pid, err
}
