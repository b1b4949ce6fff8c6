package namespaces

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// PrepareMounts is the first thing a child does that was cloned into the given
// namespaces. In a new mount namespace it makes every mount a slave, so that
// nothing mounted here reaches the host while what the host unmounts goes away
// here too; with a new pid namespace as well it mounts a /proc that shows it. A
// /proc that is not the right one afterwards is an error.
func PrepareMounts(made Flags) error {
	if !made.Has(NewMount) {
		return nil
	}
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "")
	if errors.Is(err, unix.EINVAL) {
		return errors.New("cannot make the mounts slaves: / is no mount point (in a chroot? bind its directory to itself first)")
	}
	if err != nil {
		return fmt.Errorf("cannot make the mounts slaves: %w", err)
	}
	if !made.Has(NewPID) {
		return nil
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("cannot mount /proc: %w", err)
	}
	return checkProc()
}

// checkProc makes sure that /proc is procfs and that of our pid namespace.
func checkProc() error {
	var fs unix.Statfs_t
	if err := unix.Statfs("/proc", &fs); err != nil {
		return fmt.Errorf("cannot check /proc: %w", err)
	}
	if fs.Type != unix.PROC_SUPER_MAGIC {
		return errors.New("cannot mount /proc: something else is in its place")
	}
	self, err := os.Readlink("/proc/self")
	if err != nil {
		return fmt.Errorf("cannot check /proc: %w", err)
	}
	if self != strconv.Itoa(os.Getpid()) {
		return fmt.Errorf("cannot mount /proc: it shows process %s as this one, which is %d", self, os.Getpid())
	}
	return nil
}
