package vassal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// dropPrivileges becomes the user and group of the options, for good.
func (v *Vassal) dropPrivileges(context.Context) error {
	o := v.options
	if !o.UID.Set && !o.GID.Set {
		if os.Geteuid() == 0 {
			v.Log.Warn("running as root: give uid and gid")
		}
		return nil
	}
	c, err := credentials(o)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return alreadyIs(c)
	}
	if !o.UID.Set {
		v.Log.Warn("running as root: give uid")
	}
	if err := c.Apply(); err != nil {
		return err
	}
	v.dropped = true
	if v.order == nil {
		return nil
	}
	// Changing ids switched the death signal off (prctl(2)). Should the emperor
	// have died since, its end of the pipe is closed, which ends us as well.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("cannot tie this process to the emperor: %w", err)
	}
	return nil
}

// alreadyIs accepts credentials only when the process has them: without
// privileges there is nothing to drop, and nothing to become.
func alreadyIs(c namespaces.Credentials) error {
	if int(c.UID) == os.Getuid() && int(c.UID) == os.Geteuid() && int(c.GID) == os.Getgid() && int(c.GID) == os.Getegid() {
		return nil
	}
	return fmt.Errorf("cannot become uid %d, gid %d: not running as root but as uid %d, gid %d", c.UID, c.GID, os.Geteuid(), os.Getegid())
}

// credentials resolves names where the vassal is, now. Anything that cannot be
// found is an error. A user without a group gets the user's own.
func credentials(o *config.Vassal) (c namespaces.Credentials, err error) {
	c.UID, c.GID = uint32(os.Getuid()), uint32(os.Getgid())
	var account *user.User
	if o.UID.Set {
		if account, c.UID, err = lookupUser(o.UID); err != nil {
			return c, err
		}
	}
	switch {
	case o.GID.Set:
		c.GID, err = lookupGroup(o.GID)
	case account != nil:
		c.GID, err = parseID(account.Gid)
	default:
		err = fmt.Errorf("cannot choose a group: uid %s has no entry in the user database (give gid)", o.UID)
	}
	if err != nil {
		return c, err
	}
	if c.Groups, err = groups(o, account, c.GID); err != nil {
		return c, err
	}
	return c, nil
}

// groups collects the supplementary groups: those of the user database, as
// initgroups(3) does, and those of add-gid.
func groups(o *config.Vassal, account *user.User, gid uint32) ([]uint32, error) {
	list := []uint32{gid}
	if account != nil && !o.NoInitgroups {
		ids, err := account.GroupIds()
		if err != nil {
			return nil, fmt.Errorf("cannot find the groups of user %q: %w", account.Username, err)
		}
		for _, id := range ids {
			g, err := parseID(id)
			if err != nil {
				return nil, err
			}
			// The user's own group is not the vassal's when gid says otherwise.
			if id != account.Gid || !o.GID.Set {
				list = append(list, g)
			}
		}
	}
	for _, group := range o.AddGID {
		g, err := lookupGroup(group)
		if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// lookupUser returns the account, which is nil for a number that has none.
func lookupUser(i config.Identity) (*user.User, uint32, error) {
	if i.Name == "" {
		account, err := user.LookupId(i.String())
		var unknown user.UnknownUserIdError
		if err != nil && !errors.As(err, &unknown) {
			return nil, 0, fmt.Errorf("cannot look up uid %s: %w", i, err)
		}
		return account, i.ID, nil
	}
	account, err := user.Lookup(i.Name)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot find user %q: %w", i.Name, err)
	}
	id, err := parseID(account.Uid)
	return account, id, err
}

func lookupGroup(i config.Identity) (uint32, error) {
	if i.Name == "" {
		return i.ID, nil
	}
	group, err := user.LookupGroup(i.Name)
	if err != nil {
		return 0, fmt.Errorf("cannot find group %q: %w", i.Name, err)
	}
	return parseID(group.Gid)
}

func parseID(s string) (uint32, error) {
	id, err := strconv.ParseUint(s, 10, 32)
	if err != nil || id == 1<<32-1 {
		return 0, fmt.Errorf("cannot use id %q of the user database", s)
	}
	return uint32(id), nil
}
