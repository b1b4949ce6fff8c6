package vassal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/listenfds"
	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/internal/sockets"
	"github.com/emperor-go/emperor/pkg/config"
)

// rootPatch executes another program, or supervises it as process 1, if the options require that,
// before the jail and the drop. Its sockets are bound with all privileges, after the interface
// with their addresses has arrived.
func rootPatch(next *successor) optionStep {
	return func(ctx context.Context, o *config.Vassal) error {
		if len(o.RootPatch) == 0 {
			return nil
		}
		next.source.warnRoot(next.log, o)
		if err := next.env.introduceSelf(o, next.source); err != nil {
			return err
		}
		prepare := []optionStep{
			next.sockets.bindShared, bind(next.sockets, next.source, next.link), limitResources(next.source), keepCapabilities,
			noNewPrivileges, restrictFiles(next.link, next.programs), filterCalls(next.source),
		}
		if len(o.Sockets)+len(o.Listening.Shared) > 0 {
			prepare = slices.Insert(prepare, 0, next.progress.awaitInterfaces)
		}
		for _, do := range prepare {
			if err := do(ctx, o); err != nil {
				return err
			}
		}
		serve := next.become
		if standsIn(o) {
			serve = next.standFor
		} else if next.source.order != nil && !next.source.order.Caged {
			next.log.Warn(blamePatch(o, errLoose).Error())
		}
		return blamePatch(o, serve(o, o.RootPatch))
	}
}

// successor has the parts of a vassal that another program needs which replaces it, or which it supervises as
// process 1.
type successor struct {
	input
	programs *ownPrograms
	source   *source
	link     *link
	env      *environment
	sockets  *listeners
	signals  *bootSignals
	progress *progress
}

func (v *vassal) successor() *successor {
	return &successor{v.input, &v.programs, &v.source, &v.link, &v.env, &v.sockets, &v.signals, &v.progress}
}

func blamePatch(o *config.Vassal, err error) error {
	return blameAny(o, err, "privileged-binary-patch-arg", "privileged-binary-patch")
}

// errLoose is the missing guarantee for a program that replaces the vassal: dropping its
// privileges clears the death signal (prctl(2), PR_SET_PDEATHSIG), and there is no cgroup.
var errLoose = errors.New("it outlives a killed emperor if it drops its privileges itself " +
	"(give the vassal a cgroup, or a pid namespace in which the program is not process 1)")

// binaryPatch executes another program, if the options require that. No process of ours remains: no
// master replaces the program's workers, and a reload needs a new vassal. The program gets the
// sockets by LISTEN_FDS.
func binaryPatch(next *successor) optionStep {
	return func(_ context.Context, o *config.Vassal) error {
		if len(o.BinaryPatch) == 0 {
			return nil
		}
		return blameAny(o, next.become(o, o.BinaryPatch), "unprivileged-binary-patch-arg", "unprivileged-binary-patch")
	}
}

// become executes another program in place of this one, with the sockets from descriptor 3 on.
// It returns only when it cannot.
func (v *successor) become(o *config.Vassal, words []string) error {
	path, err := programs.Find(words[0])
	if err != nil {
		return fmt.Errorf("cannot become %q: %w", words[0], err)
	}
	env, err := v.env.programs(o, v.source)
	if err != nil {
		return err
	}
	if err := v.link.announceProgram(o, 0); err != nil {
		return fmt.Errorf("cannot become %q: %w", words[0], err)
	}
	env = append(env, v.link.notify...)
	if list := v.sockets.sets[0]; len(list) > 0 {
		if err := passFrom3(list); err != nil {
			return fmt.Errorf("cannot hand the sockets to %q: %w", words[0], err)
		}
		env = append(env, listenfds.Variables(sockets.Names(list), os.Getpid())...)
	}
	if err := o.Limits.Apply(); err != nil {
		return err
	}
	return fmt.Errorf("cannot become %q: %w", words[0], programs.Explain(path, os.Getenv("PATH"), v.exec(path, words, env)))
}

// exec executes a program in place of this one, after all lines of the log are written. It
// returns only when it cannot.
func (in input) exec(path string, argv, env []string) error {
	in.printed()
	return syscall.Exec(path, argv, env)
}

// passFrom3 puts the sockets at 3 and up, where they survive execve. It overwrites other
// descriptors there: this process cannot continue afterwards.
func passFrom3(list []*sockets.Socket) error {
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
