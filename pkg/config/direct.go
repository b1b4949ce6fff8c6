package config

import (
	"reflect"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/network/spec"
)

// Direct reports whether the boot of a vassal consists of steps that need no program of ours. Such a vassal
// becomes BinaryPatch, or one built-in server, under a user of its own. It may have sockets, limits,
// capabilities, a working directory, a umask, variables and a readiness. Every other option, also one that
// this function does not know, makes it false, and so does a configuration that depends on more than its own
// text.
func Direct(v *Vassal) bool {
	sole := Sole(v)
	if len(v.BinaryPatch) == 0 && !sole || !v.UID.Set || v.partial || v.unread || len(v.reads) > 0 || v.Fallback != "" {
		return false
	}
	if len(v.Listening.Shared) > 0 || len(v.Early()) > 0 {
		return false
	}
	for _, e := range v.Env {
		if e.Kind != "set" && e.Kind != "unset" {
			return false
		}
	}
	rest, usual := *v, *defaultVassal()
	if sole {
		rest.Server = usual.Server
	}
	for _, o := range []*Vassal{&rest, &usual} {
		// The parts that a direct boot takes into account, and the parts that do not concern the inside.
		o.Name, o.BinaryPatch, o.Env, o.Cwd, o.Chdir, o.Umask, o.UmaskSet = "", nil, nil, "", "", 0, false
		o.UID, o.GID, o.AddGID, o.NoInitgroups = Identity{}, Identity{}, nil, false
		o.Capabilities = Capabilities{}
		o.ReloadMercy, o.Workers.StopSignal = 0, 0
		o.Sockets, o.Listening = nil, Listening{ReusePort: o.Listening.ReusePort}
		o.Ready.Notify, o.Ready.Probe, o.Ready.Timeout = false, Probe{}, 0
		o.Limits.AddressSpace, o.Limits.Processes = 0, 0
		o.Hardening.NoNewPrivileges, o.Hardening.Files, o.Hardening.Core, o.Hardening.Locked = false, Range{}, Range{}, Range{}
		o.Network, o.LogTo, o.HookTimeout = spec.Wish{}, "", 0
		o.Namespaces.Network, o.Namespaces.Needed = "", 0
		o.entries, o.daemonsAt, o.held = []dialect.Entry(nil), nil, false
		if len(o.Hooks) == 0 {
			o.Hooks = hooks.Set(nil)
		}
	}
	return reflect.DeepEqual(rest, usual)
}

// Sole reports whether one built-in server could be the only process of a vassal: it has sockets, answers
// without programs of its own, and has no readiness beside that.
func Sole(v *Vassal) bool {
	return len(v.BinaryPatch) == 0 && len(v.Sockets) > 0 && v.Server.Serves() && len(v.Server.CGI) == 0 && len(v.Server.Behind) == 0 && v.Ready.Probe.Kind == ""
}
