package emperord

import (
	"log/slog"
	"os"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// warnRights logs the limits of an emperor that is not root and has no capabilities, before any
// consequence of them.
func warnRights(log *slog.Logger, o *config.Emperor) {
	uid := os.Geteuid()
	if uid == 0 || !namespaces.Powerless() {
		return
	}
	const limits = "vassals run as this user, without uid, gid and ports below 1024, and without a cgroup unless one is delegated"
	switch {
	case o.UID.Set || o.GID.Set:
		log.Warn("not root: the emperor cannot become another user (drop uid and gid, or start it as root)", "uid", uid)
	case o.Clone != 0 && !o.Clone.Has(namespaces.NewUser):
		log.Warn("not root: no vassal can start in these namespaces (add user to emperor-use-clone, or start the emperor as root)",
			"uid", uid, "namespaces", o.Clone.String())
	case o.Clone == 0:
		log.Info("not root: "+limits+"; namespaces need user in emperor-use-clone", "uid", uid)
	default:
		log.Info("not root: "+limits, "uid", uid)
	}
}
