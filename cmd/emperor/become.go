package main

import (
	"log/slog"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
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

// spare lets the kernel take others before the emperor when memory is short: its end
// is that of all vassals.
func spare(log *slog.Logger) {
	switch spared, err := namespaces.Spare(); {
	case err != nil:
		log.Warn("the kernel may end the emperor first when memory is short", "error", err)
	case !spared:
		log.Debug("the kernel may end the emperor first when memory is short: it cannot lower its oom_score_adj")
	}
}
