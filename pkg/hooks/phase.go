// Package hooks is what an operator may have done at each step of a vassal's
// life: parsed once into typed actions, run later in order.
package hooks

// Phase is a moment in the life of a vassal at which hooks run. Its text is the
// one in the option names: phase as-root, kind exec is option exec-as-root.
type Phase string

// The phases of the emperor, then those of the vassal, each in order of time.
const (
	// AsEmperorBeforeVassal runs in the emperor's namespaces before the clone.
	AsEmperorBeforeVassal Phase = "as-emperor-before-vassal"
	// AsEmperor runs in the emperor's namespaces after the clone, with the pid of
	// the parked child.
	AsEmperor Phase = "as-emperor"
	// AsVassal is the emperor's too, but runs in the child, in its new
	// namespaces, before anything of the vassal's own.
	AsVassal Phase = "as-vassal"

	// Asap runs right after the configuration was parsed.
	Asap Phase = "asap"
	// PreJail runs before any jail and before privileges are dropped.
	PreJail Phase = "pre-jail"
	// AsRoot is the last privileged moment, after the interfaces are there.
	AsRoot Phase = "as-root"
	// AsUser runs right after privileges were dropped.
	AsUser Phase = "as-user"
	// PreApp runs when the sockets are bound, before the application starts.
	PreApp Phase = "pre-app"
)

// Who says whose configuration file a phase is written in.
type Who string

// The two programs.
const (
	Emperor Who = "emperor"
	Vassal  Who = "vassal"
)

// PhaseInfo is a row of the phase table.
type PhaseInfo struct {
	Phase Phase
	// Who has the phase in its option table.
	Who Who
	// Fatal: the first failing hook ends the step the phase belongs to (the
	// spawn, or the vassal's boot). Otherwise failures are logged and the next
	// hook runs. This is uWSGI's rule for each phase.
	Fatal bool
	// Help says when and where the hooks run, in one line.
	Help string
}

// Phases is the table of all phases, in order of time.
func Phases() []PhaseInfo { return phases }

var phases = []PhaseInfo{
	{AsEmperorBeforeVassal, Emperor, true, "in the emperor, before the vassal is cloned; failure cancels this spawn"},
	{AsEmperor, Emperor, false, "in the emperor, after the clone, while the vassal is parked; failure is logged"},
	{AsVassal, Emperor, true, "in the new namespaces, before anything of the vassal's own; failure ends this spawn"},
	{Asap, Vassal, true, "in the vassal, right after its configuration was parsed"},
	{PreJail, Vassal, true, "in the vassal, before any jail and before privileges are dropped"},
	{AsRoot, Vassal, true, "in the vassal, as root, after the interfaces are there"},
	{AsUser, Vassal, true, "in the vassal, right after privileges were dropped"},
	{PreApp, Vassal, true, "in the vassal, after its sockets are bound, before the application starts"},
}

// Info returns the row of p; ok is false when there is no such phase.
func (p Phase) Info() (info PhaseInfo, ok bool) {
	for _, row := range phases {
		if row.Phase == p {
			return row, true
		}
	}
	return PhaseInfo{}, false
}
