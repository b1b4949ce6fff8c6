// Package accounts answers one question: whom does a configuration mean? It turns
// the users and groups that were written into ids, by the user database of where
// the process is, now. Both programs resolve by it, so both mean the same.
package accounts

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"

	"github.com/emperor-go/emperor/internal/nss"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Wish is whom a process is to become.
type Wish struct {
	// UID and GID: what is not set stays as it is, but for a user without a group,
	// who gets the group of the user database.
	UID, GID config.Identity
	// AddGID are supplementary groups beside those of the user database, which
	// NoInitgroups leaves out.
	AddGID       []config.Identity
	NoInitgroups bool
}

// Mistake is a part of a Wish that cannot be had, under the name of its option.
type Mistake struct {
	Option, Value string
	Err           error
}

func (m *Mistake) Error() string { return m.Err.Error() }

func (m *Mistake) Unwrap() error { return m.Err }

func mistake(option string, of config.Identity, err error) error {
	if err == nil {
		return nil
	}
	return &Mistake{option, of.String(), err}
}

// None reports whether nothing is asked for.
func (w Wish) None() bool { return !w.UID.Set && !w.GID.Set }

// Login is how a user is called, and where it is at home.
type Login struct{ Name, Home string }

// loginOf is that of an account; of a user without one its number and the root directory.
func loginOf(account *user.User, uid uint32) Login {
	if account == nil {
		return Login{strconv.FormatUint(uint64(uid), 10), "/"}
	}
	return Login{account.Username, account.HomeDir}
}

// LoginOf is that of a user.
func LoginOf(uid uint32) Login {
	account, err := nss.UserID(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		account = nil
	}
	return loginOf(account, uid)
}

// Resolve finds the ids, as ResolveLogin does.
func (w Wish) Resolve() (namespaces.Credentials, error) {
	c, _, err := w.ResolveLogin()
	return c, err
}

// ResolveLogin finds the ids and the login of the user that is asked for. Its errors are of type *Mistake. A name that cannot be found is an error, and so is a
// number without an entry in the user database when a group has to be chosen for
// it; a number with a group needs no entry.
func (w Wish) ResolveLogin() (c namespaces.Credentials, login Login, err error) {
	c.UID, c.GID = uint32(os.Getuid()), uint32(os.Getgid())
	var account *user.User
	if w.UID.Set {
		if account, c.UID, err = lookupUser(w.UID); err != nil {
			return c, login, mistake("uid", w.UID, err)
		}
		login = loginOf(account, c.UID)
	}
	switch {
	case w.GID.Set:
		c.GID, err = lookupGroup(w.GID)
		err = mistake("gid", w.GID, err)
	case account != nil:
		c.GID, err = parseID(account.Gid)
		err = mistake("uid", w.UID, err)
	case w.UID.Set:
		err = mistake("uid", w.UID, fmt.Errorf("cannot choose a group: uid %s has no entry in the user database (give gid)", w.UID))
	}
	if err != nil {
		return c, login, err
	}
	if !w.UID.Set {
		login = LoginOf(c.UID)
	}
	c.Groups, err = w.groups(account, c.GID)
	return c, login, err
}

// groups collects the supplementary groups: those of the user database, as
// initgroups(3) does, and those of add-gid.
func (w Wish) groups(account *user.User, gid uint32) ([]uint32, error) {
	list := []uint32{gid}
	if account != nil && !w.NoInitgroups {
		ids, err := nss.GroupIDs(account)
		if err != nil {
			return nil, mistake("uid", w.UID, fmt.Errorf("cannot find the groups of user %q: %w", account.Username, err))
		}
		for _, id := range ids {
			g, err := parseID(id)
			if err != nil {
				return nil, mistake("uid", w.UID, err)
			}
			// The user's own group is not meant when gid says otherwise.
			if id != account.Gid || !w.GID.Set {
				list = append(list, g)
			}
		}
	}
	for _, group := range w.AddGID {
		g, err := lookupGroup(group)
		if err != nil {
			return nil, mistake("add-gid", group, err)
		}
		list = append(list, g)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// UID resolves a user.
func UID(i config.Identity) (uint32, error) {
	_, id, err := lookupUser(i)
	return id, err
}

// GID resolves a group.
func GID(i config.Identity) (uint32, error) { return lookupGroup(i) }

// lookupUser returns the account, which is nil for a number that has none.
func lookupUser(i config.Identity) (*user.User, uint32, error) {
	if i.Name == "" {
		account, err := nss.UserID(i.String())
		var unknown user.UnknownUserIdError
		if err != nil && !errors.As(err, &unknown) {
			return nil, 0, fmt.Errorf("cannot look up uid %s: %w", i, err)
		}
		return account, i.ID, nil
	}
	account, err := nss.User(i.Name)
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
	group, err := nss.Group(i.Name)
	if err != nil {
		return 0, fmt.Errorf("cannot find group %q: %w", i.Name, err)
	}
	return parseID(group.Gid)
}

// parseID reads a number of the user database. The last one is -1 to the kernel,
// which takes it for "leave it as it is".
func parseID(s string) (uint32, error) {
	id, err := strconv.ParseUint(s, 10, 32)
	if err != nil || id == 1<<32-1 {
		return 0, fmt.Errorf("cannot use id %q of the user database", s)
	}
	return uint32(id), nil
}
