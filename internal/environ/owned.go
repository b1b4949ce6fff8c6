package environ

import (
	"slices"
	"strings"
)

// owned lists the variables that a parent sets for one process. Other processes do not inherit them.
// A name that ends in _ is a prefix.
var owned = []struct {
	names   []string
	manager bool // of the protocols of systemd, which also other service managers have
	reason  string
}{
	{[]string{optionPrefix}, false, "descriptors and options of a uWSGI program or of ours; any other one would read them as its own options"},
	{[]string{"EMPEROR_"}, false, "descriptors and settings between programs of this project"},
	{[]string{"LISTEN_"}, true, "numbers of descriptors, which only one process has (sd_listen_fds(3))"},
	{[]string{"NOTIFY_SOCKET"}, true, "the process that has it speaks for a service (sd_notify(3))"},
	{[]string{"WATCHDOG_"}, true, "the process that has them sends the heartbeat of a service (sd_watchdog_enabled(3))"},
	{[]string{"MAINPID"}, true, "the process of another service (systemd.exec(5)); commands of probes get their own"},
}

// ForOneProcess reports whether a variable, or a prefix of variables, belongs to one process: it is
// of a protocol with its parent. Other processes must not inherit it.
func ForOneProcess(key string) bool { return isOwned(key, false) }

// FromManager reports whether a variable belongs to one process and comes from its service manager.
func FromManager(key string) bool { return isOwned(key, true) }

func isOwned(key string, managers bool) bool {
	for _, group := range owned {
		of := func(name string) bool {
			return key == name || strings.HasSuffix(name, "_") && strings.HasPrefix(key, name)
		}
		if (group.manager || !managers) && slices.ContainsFunc(group.names, of) {
			return true
		}
	}
	return false
}

// Without returns the variables of an environment, each KEY=value, whose key is not of a kind.
func Without(variables []string, kind func(key string) bool) Vars {
	return slices.DeleteFunc(slices.Clone(variables), func(variable string) bool {
		key, _, _ := strings.Cut(variable, "=")
		return kind(key)
	})
}

// The prefixes of variables that are options: of a uWSGI program, and of its children.
const (
	optionPrefix    = "UWSGI_"
	optionOfVassals = optionPrefix + "VASSAL_"
)

// CutOption returns the part of a variable, or of its key, behind the prefix of options: UWSGI_FOO_BAR=x is
// the option foo-bar.
func CutOption(variable string) (option string, ok bool) {
	return strings.CutPrefix(variable, optionPrefix)
}

// OfVassals returns the part of an emperor's environment that vassals may get: all variables
// that do not belong to one process, and UWSGI_VASSAL_X as UWSGI_X, which is the option x, as
// in uWSGI.
func OfVassals(emperors []string) (vars Vars) {
	for _, v := range emperors {
		key, _, _ := strings.Cut(v, "=")
		switch option, ok := strings.CutPrefix(v, optionOfVassals); {
		case ok:
			vars = append(vars, optionPrefix+option)
		case !ForOneProcess(key):
			vars = append(vars, v)
		}
	}
	return vars
}
