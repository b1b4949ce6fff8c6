package namespaces

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// PrepareMounts is the first step of a child that was cloned into the given namespaces. In a
// new mount namespace it makes every mount a slave: mounts of the child do not reach the host,
// and unmounts of the host reach the child. With a new pid namespace as well, it mounts a
// /proc that shows it, and with a new network namespace a /sys. It returns an error when /proc is not correct
// afterwards.
func PrepareMounts(made Flags, proc ProcView) error {
	if !made.Has(NewMount) {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return CannotMakeSlaves(err)
	}
	return withMasks(func(m *masks) error {
		if made.Has(NewNet) {
			if err := mountSys(rootDir{}, made.Has(NewCgroup), m); err != nil {
				return err
			}
		}
		if !made.Has(NewPID) {
			return nil
		}
		return proc.mount(rootDir{}, made.Has(NewNet), m)
	})
}

// CannotMakeSlaves returns the error of the first mount(2) of PrepareMounts.
func CannotMakeSlaves(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return errors.New("cannot make the mounts slaves: / is no mount point (in a chroot? bind its directory to itself first)")
	}
	return fmt.Errorf("cannot make the mounts slaves: %w", err)
}

// checkProc checks that /proc is procfs and shows the caller's pid namespace.
func checkProc() error {
	var fs unix.Statfs_t
	if err := unix.Statfs("/proc", &fs); err != nil {
		return fmt.Errorf("cannot check /proc: %w", err)
	}
	if fs.Type != unix.PROC_SUPER_MAGIC {
		return errors.New("cannot mount /proc: it is another filesystem")
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
