package vassal

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// A tenant's vassal runs as the owner of its file. Before the drop it reads only the operator's text, and
// everything after it, with the rights of the tenant (config.Loader.Operator). The steps before the
// drop therefore have the options of the first reading as v.options, and all later steps the options of the
// second one.

// tenant returns the order of a tenant's vassal; nil: the vassal is the operator's, or has no emperor.
func (s *source) tenant() *wire.Order {
	if s.order == nil || s.order.Tenant == nil {
		return nil
	}
	return s.order
}

// tenancy has the steps of the boot that concern tenants.
type tenancy struct{ *vassal }

// only is a step of tenants' vassals only.
func (v tenancy) only(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if v.source.tenant() == nil {
			return nil
		}
		return run(ctx)
	}
}

// without is a step of all other vassals.
func (v tenancy) without(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if v.source.tenant() != nil {
			return nil
		}
		return run(ctx)
	}
}

// privileged is a step that a tenant's vassal executes with the operator's rights: once, although a
// later program of the process, for a fallback, begins again after the drop.
func (v tenancy) privileged(run optionStep) func(context.Context) error {
	return func(ctx context.Context) error {
		if v.source.tenant() != nil && v.source.later && os.Geteuid() != 0 {
			return nil
		}
		return run(ctx, v.options)
	}
}

// parseOperators makes the first reading of a tenant's vassal.
func (v tenancy) parseOperators() error {
	o, warnings, err := v.reader.operators(&v.source)
	for _, w := range warnings {
		v.log.Warn(w.Error())
	}
	if err != nil {
		return err
	}
	v.options, v.reader.first = o, o
	return nil
}

// parseAll makes the second reading of a tenant's vassal, as the tenant.
func (v tenancy) parseAll(context.Context) error {
	o, err := v.read(nil)
	v.reader.first, v.reader.recall = nil, nil
	if err != nil {
		return err
	}
	v.options = o
	v.progress.setMercy(o.ReloadMercy)
	if err := v.becomeTwin(); err != nil {
		return err
	}
	return v.env.set(o)
}

// errRoot protects from a mistake in the order of the steps.
var errRoot = errors.New("the text of a tenant is not read with the rights of root")

// becomeOwner becomes the owner of the file permanently. Its group is the owner's in the user database,
// whatever the group of the file is.
func (e *environment) becomeOwner(o *config.Vassal, order *wire.Order) error {
	c, login, err := ownerOf(order, o)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		if err := alreadyIs(c, true); err != nil {
			return err
		}
		return e.introduce(o, login)
	}
	c.Keep = o.Capabilities.Given()
	if err := c.Apply(); err != nil {
		return blameAny(o, err, "cap")
	}
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("cannot tie this process to the emperor: %w", err)
	}
	return e.introduce(o, login)
}

// ownerOf returns the credentials and the login of the owner of a tenant's file.
func ownerOf(order *wire.Order, o *config.Vassal) (c namespaces.Credentials, login accounts.Login, err error) {
	if order.UID == 0 {
		return c, login, errors.New("root is no tenant")
	}
	wish := accounts.Wish{UID: config.IdentityOf(order.UID), AddGID: o.AddGID, NoInitgroups: o.NoInitgroups || !order.Tenant.Initgroups}
	c, login, err = wish.ResolveLogin()
	if wrong, ok := errors.AsType[*accounts.OptionError](err); ok && wrong.Option == "uid" {
		return c, login, fmt.Errorf("%s: its owner, uid %d, has no entry in the user database, and therefore no group (useradd --uid %d NAME)",
			order.Path, order.UID, order.UID)
	}
	return c, login, err
}

// enterHome makes the home directory of the owner, or else the root directory, the working directory of
// a vassal whose options name none.
func enterHome(from *source) optionStep {
	return func(_ context.Context, o *config.Vassal) error {
		if o.Cwd != "" || from.later {
			return nil
		}
		if home := accounts.LoginOf(uint32(os.Geteuid())).Home; home == "" || unix.Chdir(home) != nil {
			return unix.Chdir("/")
		}
		return nil
	}
}

// restrictTenant puts the restrictions of the tenant's own file into effect, in addition to the
// operator's.
func restrictTenant(from *source, l *link, own *ownPrograms) optionStep {
	return func(ctx context.Context, o *config.Vassal) error {
		for _, do := range []optionStep{limitResources(from), noNewPrivileges, restrictFilesMore(l, own), filterMore} {
			if err := do(ctx, o); err != nil {
				return err
			}
		}
		return nil
	}
}

// restrictFilesMore applies the lists of the tenant; the operator's are in effect.
func restrictFilesMore(l *link, programs *ownPrograms) optionStep {
	return func(ctx context.Context, o *config.Vassal) error {
		own := *o
		own.Hardening.Landlocks[0] = namespaces.Landlock{}
		if own.Hardening.Landlocks[1].None() {
			return nil
		}
		return restrictFiles(l, programs)(ctx, &own)
	}
}
