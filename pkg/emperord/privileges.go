package emperord

import (
	"errors"
	"log/slog"
	"os"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// dropPrivileges drops the emperor's own privileges for the user and group of its options. All later
// work, hooks and vassals included, runs as that user.
func dropPrivileges(o *config.Emperor) error {
	wish := accounts.Wish{UID: o.UID, GID: o.GID}
	if wish.None() {
		return nil
	}
	c, err := wish.Resolve()
	var mistake *accounts.OptionError
	switch {
	case errors.As(err, &mistake):
		return o.Blame(mistake.Option, err)
	case err != nil:
		return err
	}
	return c.Apply()
}

// spare makes the OOM killer kill other processes before the emperor: when the emperor ends,
// all vassals do.
func spare(log *slog.Logger) {
	switch spared, err := namespaces.Spare(); {
	case err != nil:
		log.Warn("the OOM killer may kill the emperor first", "error", err)
	case !spared:
		log.Debug("the OOM killer may kill the emperor first: the emperor cannot lower its oom_score_adj")
	}
}

// becoming returns the user and group that the emperor will have.
func becoming(o *config.Emperor) (uid, gid int, err error) {
	uid, gid = os.Geteuid(), os.Getegid()
	if o.UID.Set {
		id, err := accounts.UID(o.UID)
		if err != nil {
			return 0, 0, o.Blame("uid", err)
		}
		uid = int(id)
	}
	if o.GID.Set {
		id, err := accounts.GID(o.GID)
		if err != nil {
			return 0, 0, o.Blame("gid", err)
		}
		gid = int(id)
	}
	return uid, gid, nil
}
