package vassal

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
)

// rootPatch executes another program, or supervises it as process 1, if the options say so,
// before the jail and the drop. Its sockets are bound with all privileges, after the interface
// with their addresses has arrived.
func (v *Vassal) rootPatch(ctx context.Context) error {
	if len(v.options.RootPatch) == 0 {
		return nil
	}
	v.warnRoot()
	if err := v.introduceSelf(); err != nil {
		return err
	}
	prepare := []func(context.Context) error{v.bindShared, v.bind}
	if len(v.options.Sockets)+len(v.options.Listening.Shared) > 0 {
		prepare = slices.Insert(prepare, 0, v.waitForInterfaces)
	}
	for _, do := range prepare {
		if err := do(ctx); err != nil {
			return err
		}
	}
	serve := v.become
	if v.standsIn() {
		serve = v.standFor
	} else if v.order != nil && !v.order.Caged {
		v.Log.Warn(blamePatch(v.options, errLoose).Error())
	}
	return blamePatch(v.options, serve(v.options.RootPatch, v.sets[0]))
}

func blamePatch(o *config.Vassal, err error) error {
	return blameAny(o, err, "privileged-binary-patch-arg", "privileged-binary-patch")
}

// errLoose is the missing guarantee for a program that replaces the vassal: dropping its
// privileges clears the death signal (prctl(2), PR_SET_PDEATHSIG), and there is no cgroup.
var errLoose = errors.New("it outlives a killed emperor if it drops its privileges itself " +
	"(give the vassal a cgroup, or a pid namespace in which the program is not process 1)")

// binaryPatch executes another program, if the options say so. No process of ours remains: no
// master replaces the program's workers, and a reload needs a new vassal. The program gets the
// sockets by LISTEN_FDS.
func (v *Vassal) binaryPatch(context.Context) error {
	return blameAny(v.options, v.become(v.options.BinaryPatch, v.sets[0]), "unprivileged-binary-patch-arg", "unprivileged-binary-patch")
}

// handOver puts the sockets at 3 and up, where they survive execve. It overwrites other
// descriptors there: this process cannot continue afterwards.
func handOver(list []*sockets.Socket) error {
	above := 3 + len(list)
	var copies []int
	for _, s := range list { // out of the way first
		fd, err := unix.FcntlInt(s.FD(), unix.F_DUPFD_CLOEXEC, above)
		if err != nil {
			return err
		}
		copies = append(copies, fd)
	}
	for i, fd := range copies {
		if err := unix.Dup3(fd, 3+i, 0); err != nil {
			return err
		}
	}
	return nil
}
