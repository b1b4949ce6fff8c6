package vassal

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// limitCapabilities gives up the capabilities that the emperor does not allow. The hooks of before
// the drop have run with all of them.
func limitCapabilities(_ context.Context, order *wire.Order) error {
	if order.Capabilities == nil {
		return nil
	}
	return order.Capabilities.Bound()
}

// keepCapabilities gives up all capabilities that the options do not name, for a process whose ids do
// not change.
func keepCapabilities(_ context.Context, o *config.Vassal) error {
	if !o.Capabilities.Set {
		return nil
	}
	return blameAny(o, o.Capabilities.List.Hold(), "cap")
}

// limitResources sets the limits of this process, which all its later processes inherit. A limit
// of descriptors can be below the number that is open: only later ones fail.
func limitResources(from *source) optionStep {
	return func(_ context.Context, o *config.Vassal) error {
		return o.Hardening.Apply(o, from.tenant() != nil && os.Geteuid() != 0)
	}
}

// noNewPrivileges ends all ways in which a program could get rights that this process does not
// have. That comes after the drop: a root hook may need them.
func noNewPrivileges(_ context.Context, o *config.Vassal) error {
	if !o.Hardening.NoNewPrivileges {
		return nil
	}
	return blameAny(o, namespaces.NoNewPrivileges(), "no-new-privileges")
}

// restrictFiles restricts access to files and ports. Programs of ours stay usable. The emperor restricts
// the programs that it runs in this vassal in the same way.
func restrictFiles(l *link, own *ownPrograms) optionStep {
	return func(_ context.Context, o *config.Vassal) error {
		l.reportLandlocks(o.Hardening.Landlocks[:])
		return o.Hardening.Landlocks.Restrict(o, own.self, own.server, own.helper, own.twin)
	}
}

// filterCalls loads the filter of system calls, after everything that it would refuse.
func filterCalls(from *source) optionStep {
	return func(_ context.Context, o *config.Vassal) error {
		h := o.Hardening
		if h.Filter == nil {
			return nil
		}
		var profile []unix.SockFilter
		if h.Profile != "" {
			if from.order == nil || from.order.Profile == nil || from.order.Profile.Path != h.Profile {
				return o.Blame("system-call-filter", "", errNoProfile)
			}
			profile = from.order.Profile.Code
		}
		return blameAny(o, h.Filter.Load(h.LogFilter, profile), "system-call-filter")
	}
}

// filterMore loads the filter of a tenant's text, which adds to the operator's. Its profile, if there is one, is loaded already.
func filterMore(_ context.Context, o *config.Vassal) error {
	if o.Hardening.Filter == nil {
		return nil
	}
	return blameAny(o, o.Hardening.Filter.Load(o.Hardening.LogFilter, nil), "system-call-filter")
}

var errNoProfile = errors.New("the emperor has not read the profile, before the vassal starts (in the vassal's own file or a template)")
