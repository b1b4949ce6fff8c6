// Package accounts resolves the users and groups of a configuration to ids. It asks the user
// database of the calling process at the time of the call. The emperor and the vassal both use
// it, so a name means the same user to both.
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

// Wish is the user and the groups that a configuration requests.
type Wish struct {
	// UID and GID: an id that is not set remains unchanged. A user without a group gets the
	// user's group in the user database.
	UID, GID config.Identity
	// AddGID are supplementary groups in addition to the user's groups in the user database.
	// NoInitgroups leaves those out.
	AddGID       []config.Identity
	NoInitgroups bool
}

// OptionError is the error of one part of a Wish, under the name of its option.
type OptionError struct {
	Option, Value string
	Err           error
}

func (m *OptionError) Error() string { return m.Err.Error() }

func (m *OptionError) Unwrap() error { return m.Err }

// UnknownError is returned for a user or a group that the user database does not have.
type UnknownError struct {
	// Kind is user or group.
	Kind, Name string
}

// What returns the error without the remedy.
func (e *UnknownError) What() string { return fmt.Sprintf("there is no %s %q", e.Kind, e.Name) }

// Hint returns the command that creates the user or the group.
func (e *UnknownError) Hint() string { return e.Kind + "add --system " + e.Name }

func (e *UnknownError) Error() string { return e.What() + " (" + e.Hint() + ")" }

func mistake(option string, of config.Identity, err error) error {
	if err == nil {
		return nil
	}
	return &OptionError{option, of.String(), err}
}

// None reports whether nothing is requested.
func (w Wish) None() bool { return !w.UID.Set && !w.GID.Set }

// Login is the name and the home directory of a user.
type Login struct{ Name, Home string }

// loginOf returns the login of an account. A uid without an account gets its number as the
// name, and the root directory.
func loginOf(account *user.User, uid uint32) Login {
	if account == nil {
		return Login{strconv.FormatUint(uint64(uid), 10), "/"}
	}
	return Login{account.Username, account.HomeDir}
}

// LoginOf returns the login of a uid.
func LoginOf(uid uint32) Login {
	account, err := nss.UserID(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		account = nil
	}
	return loginOf(account, uid)
}

// Resolve returns the ids, as ResolveLogin does.
func (w Wish) Resolve() (namespaces.Credentials, error) {
	c, _, err := w.ResolveLogin()
	return c, err
}

// ResolveLogin returns the ids and the login of the requested user. Its errors are of type
// *OptionError. A name that is not in the user database is an error. A number needs an entry in
// the user database only when no group is given with it.
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

// groups returns the supplementary groups: the user's groups in the user database, as
// initgroups(3) does, and the groups of add-gid.
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
			// With gid, the user's own group is left out.
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
	var unknown user.UnknownUserError
	switch {
	case errors.As(err, &unknown):
		return nil, 0, &UnknownError{"user", i.Name}
	case err != nil:
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
	var unknown user.UnknownGroupError
	switch {
	case errors.As(err, &unknown):
		return 0, &UnknownError{"group", i.Name}
	case err != nil:
		return 0, fmt.Errorf("cannot find group %q: %w", i.Name, err)
	}
	return parseID(group.Gid)
}

// parseID reads a number of the user database. The kernel reads the largest number as -1,
// "leave the id unchanged".
func parseID(s string) (uint32, error) {
	id, err := strconv.ParseUint(s, 10, 32)
	if err != nil || id == 1<<32-1 {
		return 0, fmt.Errorf("cannot use id %q of the user database", s)
	}
	return uint32(id), nil
}
