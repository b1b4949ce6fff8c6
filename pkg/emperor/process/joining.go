package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// givenWait limits the wait for a process that gives out its namespaces. The launch is tried again after an error.
const givenWait = time.Second

// joining returns a thread in the namespaces that another process gives out (setns).
func joining(ctx context.Context, l *Launcher, r emperor.Request) (g guest, err error) {
	at := r.Guest.Joins
	j, err := reads.Get(ctx, l.Reads, at, func() (*namespaces.Joining, error) { return namespaces.TakeGiven(at, givenWait, l.Rights.InRange) })
	if err != nil {
		return g, fmt.Errorf("%s cannot join namespaces at %s: %w", r.Guest.At, at, err)
	}
	defer j.Close()
	j.Without(r.Guest.Keeps)
	if err := joinable(l, r, j.Kinds()); err != nil {
		return g, fmt.Errorf("%s %s: %w", r.Guest.At, at, err)
	}
	g.joined = j.Kinds()
	if g.spawner, err = namespaces.NewSpawnerJoining(j); err != nil {
		return guest{}, fmt.Errorf("%s %s: %w", r.Guest.At, at, err)
	}
	return g, nil
}

// joinable fails when a vassal cannot be in namespaces of others.
func joinable(l *Launcher, r emperor.Request, kinds namespaces.Flags) error {
	const mounts = namespaces.NewMount
	view := len(r.Files.System.Places) > 0 || r.Files.System.Root != nil || r.Files.Proc != (namespaces.ProcView{})
	switch missing := namespaces.NewPID &^ kinds; {
	case kinds == 0:
		return errors.New("nothing is left to join (unshare)")
	case os.Geteuid() != 0:
		return errors.New("only an emperor that is root can join namespaces of others")
	case l.Clone.Has(namespaces.NewUser) && kinds&(mounts|namespaces.NewPID) != 0:
		return fmt.Errorf("a vassal with a user namespace of its own has no rights over %s of another one (setns-socket-skip = pid and = mnt there)",
			kinds&(mounts|namespaces.NewPID))
	case kinds.Has(mounts) && (view || l.tenantOf(r) != nil):
		return errors.New("options about files need mounts of the vassal's own (unshare = fs, or setns-socket-skip = mnt there)")
	case kinds.Has(mounts) && missing != 0 && (l.Clone.Has(namespaces.NewPID) || r.Guest.Keeps.Has(namespaces.NewPID)):
		return errors.New("the /proc of its mounts does not show a vassal with a pid namespace of its own (unshare = fs, or setns-socket-skip = mnt there)")
	}
	return nil
}
