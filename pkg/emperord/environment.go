package emperord

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/emperor-go/emperor/internal/environ"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// ownEnvironment applies the environment options to this process, and adds their variables to
// the passed ones.
func ownEnvironment(o *config.Emperor) error {
	names, err := environ.Adopt(o.Env)
	if err != nil {
		return o.Blame("envdir", err)
	}
	o.Pass = append(o.Pass, names...)
	return nil
}

// keyrings reports whether vassals get session keyrings of their own. When the kernel has
// none, that is an error if the options request them, and otherwise a warning.
func keyrings(o *config.Emperor, log *slog.Logger) (private bool, err error) {
	if o.InheritKeyring {
		return false, nil
	}
	err = namespaces.Keyrings()
	asked := slices.ContainsFunc(o.Settings(false), func(s config.Setting) bool { return s.Name == "keyring-mode" })
	switch {
	case err == nil:
		return true, nil
	case asked:
		return false, fmt.Errorf("keyring-mode: %w (keyring-mode = inherit)", err)
	}
	log.Warn("vassals inherit the session keyring of the emperor", "error", err)
	return false, nil
}

// homely are variables of a shell, or of the service manager for one process, whose absence
// needs no warning.
var homely = []string{
	"_", "CACHE_DIRECTORY", "CONFIGURATION_DIRECTORY", "CREDENTIALS_DIRECTORY", "HOME", "INVOCATION_ID", "JOURNAL_STREAM", "LOGNAME",
	"LOGS_DIRECTORY", "MAINPID", "MANAGERPID", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE", "OLDPWD", "PWD", "RUNTIME_DIRECTORY",
	"SHELL", "SHLVL", "STATE_DIRECTORY", "SYSTEMD_EXEC_PID", "USER",
}

// heldBack lists the variables of the emperor's environment that vassals do not get, and
// reports them.
type heldBack struct {
	names    []string // sorted
	log      *slog.Logger
	reported sync.Map // the last report for each vassal, a string
}

// newHeldBack computes the list, and reports variables that may be missed.
func newHeldBack(pass config.Passed, log *slog.Logger) *heldBack {
	h := &heldBack{log: log}
	for _, v := range environ.OfVassals(os.Environ()) {
		if name, _, _ := strings.Cut(v, "="); !pass.Has(name) && !environ.ForOneProcess(name) {
			h.names = append(h.names, name)
		}
	}
	slices.Sort(h.names)
	missed := slices.DeleteFunc(slices.Clone(h.names), func(name string) bool { return slices.Contains(homely, name) })
	if len(missed) > 0 {
		h.log.Info("vassals do not get these variables of the emperor: " + strings.Join(missed, ", ") + " (pass-environment = NAME ..., or * for all)")
	}
	return h
}

// missedBy reports, once for each set, the variables that a vassal's file names and its
// programs do not get.
func (h *heldBack) missedBy(vassal string, v *config.Vassal) {
	type place struct {
		config.Variable // the first
		names           []string
	}
	var places []place
	for _, named := range v.Variables() {
		if !slices.Contains(h.names, named.Name) || finds(v, named) {
			continue
		}
		if last := len(places) - 1; last >= 0 && places[last].Origin == named.Origin && places[last].Shell == named.Shell {
			places[last].names = append(places[last].names, named.Name)
			continue
		}
		places = append(places, place{named, []string{named.Name}})
	}
	if before, _ := h.reported.Swap(vassal, fmt.Sprint(places)); before == fmt.Sprint(places) {
		return
	}
	for _, at := range places {
		p := config.Problem{Origin: at.Origin, Key: at.Key, Hint: "pass-environment = " + strings.Join(at.names, " ") + " among the emperor's options"}
		p.What = "vassals do not get " + strings.Join(at.names, ", ") + " of the emperor's environment"
		level := slog.LevelWarn
		if !at.Shell {
			p.What, level = "$("+strings.Join(at.names, "), $(")+") is expanded here, but programs of the vassal do not get it", slog.LevelInfo
		}
		h.log.Log(context.Background(), level, p.Error(), "vassal", vassal)
	}
}

// finds reports whether programs of a vassal get another value of a variable that it names:
// from its file, or from its user, after the drop of privileges.
func finds(v *config.Vassal, named config.Variable) bool {
	login := slices.Contains([]string{"HOME", "LOGNAME", "USER"}, named.Name)
	return login && (!named.Shell || !named.Root) || slices.ContainsFunc(v.Env, func(c config.EnvChange) bool { return c.Key == named.Name })
}
