package main

import (
	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/pkg/config"
)

// become gives up the emperor's own privileges for the user and group of its
// options. Everything it does from then on, hooks and vassals included, it does
// as that user.
func become(o *config.Emperor) error {
	wish := accounts.Wish{UID: o.UID, GID: o.GID}
	if wish.None() {
		return nil
	}
	c, err := wish.Resolve()
	if err != nil {
		return err
	}
	return c.Apply()
}
