package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/address"
)

// heededByPatches are the options of workers that the emperor heeds for a program that takes
// the vassal's place.
var heededByPatches = []string{"limit-as", "limit-nproc", "notify-ready", "ready-probe", "ready-timeout", "stop-signal"}

// heededByDaemons are the options that mean something where there are only daemons.
var heededByDaemons = []string{
	"attach-control-daemon", "attach-daemon", "attach-daemon2", "die-on-idle", "die-on-term", "exit-on-reload", "fs-reload", "idle", "limit-as", "limit-nproc", "ready-probe", "ready-timeout",
	"smart-attach-daemon", "smart-attach-daemon2", "touch-reload",
}

// withoutWorkers names the options of workers that are there for nothing: the program takes
// the place of the master that would heed them, or there are no workers.
func (v *Vassal) withoutWorkers(warnings *Problems) {
	heeded, why, hint := heededByPatches, "no master of workers stays beside a program that takes the vassal's place, to heed ", "command runs the program below one"
	switch {
	case len(v.BinaryPatch)+len(v.RootPatch) > 0:
	case !v.runs() && len(v.Daemons) > 0:
		heeded, why, hint = heededByDaemons, "there are daemons only, and no worker for ", "command makes a worker of the program"
	case !v.commands():
		v.withoutCommand(warnings)
		return
	case v.Workers.ReloadSignal != 0 && v.Triggers.Exit:
		warnings.Add(v.Origin("reload-signal"), "reload-signal", "it is never sent: exit-on-reload ends the vassal instead", "give one of them")
		return
	default:
		return
	}
	var names []string
	var first Origin
	for _, e := range v.entries {
		o := vassalOptions.find(e.Key)
		if o == nil || o.Group != "Workers" || e.Handled || slices.Contains(heeded, o.Name) || slices.Contains(names, e.Key) {
			continue
		}
		if names = append(names, e.Key); len(names) == 1 {
			first = e.Origin
		}
	}
	if len(names) > 0 {
		warnings.Add(first, "", why+strings.Join(names, ", "), hint)
	}
}

// withoutCommand names the signals that are there for nothing beside the built-in server.
func (v *Vassal) withoutCommand(warnings *Problems) {
	if v.Workers.ReloadSignal != 0 {
		warnings.Add(v.Origin("reload-signal"), "reload-signal", "only a command gets it, and the built-in server reads its files anew without", "")
	}
	if v.Workers.StopSignal != 0 {
		warnings.Add(v.Origin("stop-signal"), "stop-signal", "only a command gets it: TERM ends the built-in server", "")
	}
}

// withoutBackend warns about a wait for servers that are not named.
func (v *Vassal) withoutBackend(warnings *Problems) {
	if v.Server.HTTPToWait > 0 && len(v.Server.HTTPTo) == 0 && (v.Server.Serves() || v.Fronted()) {
		warnings.Add(v.Origin("http-to-wait"), "http-to-wait", "there is no server to wait for", "http-to = ADDRESS")
	}
}

// probesItself reports whether a tcp: probe asks at a socket that the vassal binds.
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
