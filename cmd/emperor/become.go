package main

import (
	"fmt"
	"os"
	"os/user"
	"strconv"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// become gives up the emperor's own privileges for the user and group of its
// options. Everything it does from then on, hooks and vassals included, it does
// as that user.
func become(o *config.Emperor) error {
	if !o.UID.Set && !o.GID.Set {
		return nil
	}
	c := namespaces.Credentials{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	if o.UID.Set {
		u, err := lookupUser(o.UID)
		if err != nil {
			return fmt.Errorf("cannot find user %q: %w", o.UID, err)
		}
		c.UID, c.GID = id(u.Uid), id(u.Gid)
	}
	if o.GID.Set {
		g, err := lookupGroup(o.GID)
		if err != nil {
			return fmt.Errorf("cannot find group %q: %w", o.GID, err)
		}
		c.GID = g
	}
	c.Groups = []uint32{c.GID}
	return c.Apply()
}

func lookupUser(i config.Identity) (*user.User, error) {
	if i.Name == "" {
		return user.LookupId(i.String())
	}
	return user.Lookup(i.Name)
}

func lookupGroup(i config.Identity) (uint32, error) {
	if i.Name == "" {
		return i.ID, nil
	}
	g, err := user.LookupGroup(i.Name)
	if err != nil {
		return 0, err
	}
	return id(g.Gid), nil
}

// id reads a number of the user database; what is none is the id that nobody
// has and that Apply refuses.
func id(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 1<<32 - 1
	}
	return uint32(n)
}
