package emperord

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/idranges"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// stateDir is the state directory of an emperor that is root.
const stateDir = "/var/lib/emperor"

// idPool returns the ids for vassals.
func idPool(o *config.Emperor) (idranges.Pool, error) {
	if !o.IDs.Auto {
		return idranges.Pool{Base: o.IDs.Base, Size: o.IDs.Size, Count: o.IDs.Count}, nil
	}
	r, err := idranges.Delegated(idranges.Account)
	if err == nil && r.Size < config.DefaultIDs {
		err = fmt.Errorf("%d ids from %d on are fewer than one range of %d (emperor-id-range = %d:%d)", r.Size, r.First, config.DefaultIDs, r.First, r.Size)
	}
	return idranges.Pool{Base: r.First, Size: config.DefaultIDs, Count: r.Size / config.DefaultIDs}, err
}

// inRange reports whether an id belongs to the ranges of vassals. Nil: they have none.
func inRange(o *config.Emperor) func(id uint32) bool {
	if !o.IDs.Given() {
		return nil
	}
	pool, err := idPool(o)
	if err != nil {
		return nil
	}
	return pool.Contains
}

// ownStateDir returns the state directory of an emperor.
func ownStateDir(o *config.Emperor) string {
	first, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":")
	switch {
	case o.IDs.StateDir != "":
		return o.IDs.StateDir
	case first != "":
		return first
	case os.Geteuid() == 0:
		return stateDir
	}
	return filepath.Join(accounts.LoginOf(uint32(os.Geteuid())).Home, ".local/state/emperor")
}

// idChooser is process.Rights.IDs.
type idChooser func(emperor.Request) (ids *namespaces.IDs, release func(), err error)

// idsOf returns the ids of vassals for launches. Nil: vassals have no ranges of their own.
func idsOf(o *config.Emperor, files *reads.Pool, log *slog.Logger) (idChooser, error) {
	if !o.IDs.Given() {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, o.Blame("emperor-id-range", errors.New("only root can map ranges: in the user namespaces of this emperor its own user is "+
			"root, and there is no other (drop the line)"))
	}
	pool, err := idPool(o)
	if err != nil {
		return nil, o.Blame("emperor-id-range", err)
	}
	table, err := idranges.Open(ownStateDir(o), pool)
	if err != nil {
		return nil, o.Blame("emperor-id-range", err)
	}
	table.Busy = busyRanges
	table.Exists = func(path string) bool {
		_, err := reads.Get(context.Background(), files, path, func() (os.FileInfo, error) { return os.Lstat(path) })
		return !errors.Is(err, os.ErrNotExist)
	}
	log.Info("vassals have ids of their own", "from", pool.Base, "each", pool.Size, "vassals", pool.Count, "table", filepath.Join(ownStateDir(o), idranges.File))
	return func(r emperor.Request) (*namespaces.IDs, func(), error) {
		var who namespaces.Credentials
		var err error
		if r.Account != nil {
			if who, err = r.Account(); err != nil {
				return nil, nil, err
			}
		}
		own, release, err := table.Hold(idranges.Key{Path: r.Config.Path, Owner: r.Config.UID})
		if err != nil {
			return nil, nil, err
		}
		if r.Files.PrivateIDs {
			return privateMaps(who, r.Account != nil, namespaces.IDRange(own)), release, nil
		}
		return mapsOf(who, keeps{r.Account != nil, o.Tyrant.MinUID}, pool, namespaces.IDRange(own)), release, nil
	}, nil
}

// busyRanges returns the ranges of user namespaces with processes.
func busyRanges() ([]idranges.Range, error) {
	mapped, err := namespaces.MappedRanges()
	list := make([]idranges.Range, len(mapped))
	for i, r := range mapped {
		list[i] = idranges.Range(r)
	}
	return list, err
}

// keeps says which ids of a vassal stay themselves: if it names any, all from the lowest on. Lower ids belong to the system.
type keeps struct {
	named bool
	from  uint32
}

// mapsOf returns the maps of a vassal: its user and its groups stay themselves, and all other ids are in its range. Ids of the
// system, and of other ranges, do not stay.
func mapsOf(who namespaces.Credentials, keep keeps, pool idranges.Pool, own namespaces.IDRange) *namespaces.IDs {
	kept := func(ids ...uint32) (list []uint32) {
		for _, id := range ids {
			if keep.named && id >= keep.from && !pool.Contains(id) {
				list = append(list, id)
			}
		}
		return list
	}
	return &namespaces.IDs{UIDs: own.Map(kept(who.UID)...), GIDs: own.Map(kept(append(who.Groups, who.GID)...)...)}
}

// privateMaps returns the maps of a vassal whose ids are all in its range. Files of its user and its groups, of which it names any, are theirs
// in binds. Root's never are: root in the vassal could make files of root.
func privateMaps(who namespaces.Credentials, named bool, own namespaces.IDRange) *namespaces.IDs {
	all := own.Map()
	ids := &namespaces.IDs{UIDs: all, GIDs: all}
	groups := slices.DeleteFunc(append([]uint32{who.GID}, who.Groups...), func(id uint32) bool { return id == 0 })
	if !named || who.UID == 0 || who.GID == 0 {
		return ids
	}
	uids, ok := own.FilesOf(who.UID)
	gids, within := own.FilesOf(groups...)
	if ok && within {
		ids.Files = &namespaces.IDs{UIDs: uids, GIDs: gids}
	}
	return ids
}
