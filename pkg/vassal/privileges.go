package vassal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// dropPrivileges is the step that becomes the user and group of the options, or the owner of a tenant's file,
// permanently.
func dropPrivileges(from *source, env *environment, log *slog.Logger) optionStep {
	return func(ctx context.Context, o *config.Vassal) error {
		if order := from.tenant(); order != nil {
			return env.becomeOwner(o, order)
		}
		from.warnRoot(log, o)
		return env.becomeUser(ctx, o, from)
	}
}

// becomeUser becomes the user and group of the options.
func (e *environment) becomeUser(ctx context.Context, o *config.Vassal, from *source) error {
	wish := accounts.Wish{UID: o.UID, GID: o.GID, AddGID: o.AddGID, NoInitgroups: o.NoInitgroups}
	if wish.None() {
		if err := keepCapabilities(ctx, o); err != nil {
			return err
		}
		return e.introduceSelf(o, from)
	}
	c, login, err := wish.ResolveLogin()
	if err != nil {
		return blameMistake(o, err)
	}
	if os.Geteuid() != 0 {
		if err := alreadyIs(c, from.order != nil); err != nil {
			return blameAny(o, err, "uid", "gid")
		}
		if err := keepCapabilities(ctx, o); err != nil {
			return err
		}
		return e.introduceSelf(o, from)
	}
	c.Keep = o.Capabilities.Given()
	if err := c.Apply(); err != nil {
		return blameAny(o, err, "cap")
	}
	if err := e.introduce(o, login); err != nil || from.order == nil {
		return err
	}
	// The change of ids cleared the death signal (prctl(2)). If the emperor has died since,
	// its end of the pipe is closed, which ends this process as well.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("cannot tie this process to the emperor: %w", err)
	}
	return nil
}

// blameMistake adds the option and its line to an error of a Wish.
func blameMistake(o *config.Vassal, err error) error {
	if wrong, ok := errors.AsType[*accounts.OptionError](err); ok {
		return o.Blame(wrong.Option, wrong.Value, err)
	}
	return err
}

// blameAny adds the line of the first given option to an error.
func blameAny(o *config.Vassal, err error, names ...string) error {
	for _, name := range names {
		if o.Origin(name) != (config.Origin{}) {
			return o.Blame(name, "", err)
		}
	}
	return err
}

// alreadyIs accepts credentials only when the process has them. Without privileges it can neither drop nor
// change any. (uWSGI ignores the name of another user then, and refuses its number.) under: an emperor started
// the process.
func alreadyIs(c namespaces.Credentials, under bool) error {
	if int(c.UID) == os.Getuid() && int(c.UID) == os.Geteuid() && int(c.GID) == os.Getgid() && int(c.GID) == os.Getegid() {
		return nil
	}
	hint := "start it as root, or remove uid and gid"
	if under {
		hint = "remove uid and gid, or start the emperor as root, without uid in its own file"
	}
	return fmt.Errorf("cannot become uid %d, gid %d: not running as root but as uid %d, gid %d (%s)", c.UID, c.GID, os.Geteuid(), os.Getegid(), hint)
}
