package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/address"
)

// review warns about options of a vassal that have no effect beside its other options.
type review struct {
	*Vassal
	warnings *Problems
}

// effectiveForPatches are the options of workers that the emperor applies to a program that
// replaces the vassal.
var effectiveForPatches = []string{"limit-as", "limit-nproc", "notify-ready", "ready-probe", "ready-timeout", "stop-signal"}

// effectiveForDaemons are the options that have an effect when there are only daemons.
var effectiveForDaemons = []string{
	"attach-control-daemon", "attach-daemon", "attach-daemon2", "die-on-idle", "die-on-term", "exit-on-reload", "fs-reload", "idle",
	"limit-as", "limit-nproc", "ready-probe", "ready-timeout",
	"smart-attach-daemon", "smart-attach-daemon2", "touch-reload",
}

// withoutWorkers warns about options of workers that have no effect: the program replaces the
// master that would apply them, or there are no workers.
func (v review) withoutWorkers() {
	effective, why, hint := effectiveForPatches, "a program that replaces the vassal has no master of workers, so there is no effect of ",
		"command runs the program below a master"
	switch {
	case len(v.BinaryPatch)+len(v.RootPatch) > 0:
	case !v.runs() && len(v.Daemons) > 0:
		effective, why, hint = effectiveForDaemons, "there are only daemons and no workers, so there is no effect of ", "command makes a worker of the program"
	case !v.commands():
		v.withoutCommand()
		return
	case v.Workers.ReloadSignal != 0 && v.Triggers.Exit:
		v.warnings.Add(v.Origin("reload-signal"), "reload-signal", "it is never sent: exit-on-reload ends the vassal instead", "give one of them")
		return
	default:
		return
	}
	var names []string
	var first Origin
	for _, e := range v.entries {
		o := vassalOptions.find(e.Key)
		if o == nil || o.Group != "Workers" || e.Handled || slices.Contains(effective, o.Name) || slices.Contains(names, e.Key) {
			continue
		}
		if names = append(names, e.Key); len(names) == 1 {
			first = e.Origin
		}
	}
	if len(names) > 0 {
		v.warnings.Add(first, "", why+strings.Join(names, ", "), hint)
	}
}

// withoutCommand warns about signals that have no effect on the built-in server.
func (v review) withoutCommand() {
	if v.Workers.ReloadSignal != 0 {
		v.warnings.Add(v.Origin("reload-signal"), "reload-signal", "only a command receives it; the built-in server reads changed files without a signal", "")
	}
	if v.Workers.StopSignal != 0 {
		v.warnings.Add(v.Origin("stop-signal"), "stop-signal", "only a command receives it; SIGTERM ends the built-in server", "")
	}
}

// withoutBackend warns about a wait for servers when none is configured.
func (v review) withoutBackend() {
	if v.Server.HTTPToWait > 0 && len(v.Server.HTTPTo) == 0 && (v.Server.Serves() || v.Fronted()) {
		v.warnings.Add(v.Origin("http-to-wait"), "http-to-wait", "there is no server to wait for", "http-to = ADDRESS")
	}
}

// withoutProxies warns about addresses of trusted proxies when no header is read.
func (v review) withoutProxies() {
	if len(v.Server.ProxyProtocolFrom) > 0 && !v.Server.ProxyProtocol {
		v.warnings.Add(v.Origin("proxy-protocol-from"), "proxy-protocol-from", "no header of the PROXY protocol is read", "enable-proxy-protocol = true")
	}
}

// probesItself reports whether a tcp: probe connects to a socket that the vassal binds.
func (v *Vassal) probesItself() bool {
	if v.Ready.Probe.Kind != "tcp" {
		return false
	}
	asked, err := address.Parse(v.Ready.Probe.Address)
	if err != nil {
		return false
	}
	bound := slices.Clone(v.Listening.Shared)
	for _, s := range v.Sockets {
		bound = append(bound, s.Address)
	}
	return slices.ContainsFunc(bound, func(text string) bool {
		own, err := address.Parse(text)
		return err == nil && own.Answers(asked)
	})
}
