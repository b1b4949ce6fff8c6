// Package hooks parses and runs the operator's hooks: actions at each step of a vassal's life,
// parsed once into typed values and run later in order.
package hooks

// Phase is a moment in the life of a vassal at which hooks run. Its text is part of the option
// names: phase as-root and kind exec form the option exec-as-root.
type Phase string

// The phases of the emperor's configuration, in order of time.
const (
	EmperorStart          Phase = "emperor-start"
	AsEmperorBeforeVassal Phase = "as-emperor-before-vassal"
	AsEmperor             Phase = "as-emperor"
	AsEmperorSetns        Phase = "as-emperor-setns"
	AsVassalBeforeDrop    Phase = "as-vassal-before-drop"
	VassalsStart          Phase = "vassals-start-hook"
	AsVassal              Phase = "as-vassal"
	OnVassalReady         Phase = "on-vassal-ready"
	OnVassalFailed        Phase = "on-vassal-failed"
	VassalsStop           Phase = "vassals-stop-hook"
	AsEmperorAfterVassal  Phase = "as-emperor-after-vassal"
	AsOnDemandVassal      Phase = "as-on-demand-vassal"
	AsOnConfigVassal      Phase = "as-on-config-vassal"
)

// The phases of a vassal's configuration, in order of time.
const (
	Asap           Phase = "asap"
	PreJail        Phase = "pre-jail"
	InJail         Phase = "in-jail"
	PostJail       Phase = "post-jail"
	AsRoot         Phase = "as-root"
	AsUser         Phase = "as-user"
	PreApp         Phase = "pre-app"
	PostApp        Phase = "post-app"
	MasterStart    Phase = "master-start"
	PostFork       Phase = "post-fork"
	Accepting      Phase = "accepting"
	Accepting1     Phase = "accepting1"
	AcceptingOnce  Phase = "accepting-once"
	Accepting1Once Phase = "accepting1-once"
	Touch          Phase = "touch"
	EmperorReload  Phase = "emperor-reload"
	EmperorStop    Phase = "emperor-stop"
	EmperorLost    Phase = "emperor-lost"
	AsUserAtexit   Phase = "as-user-atexit"
)

// Who is the program whose configuration file has the phase.
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
	// Fatal: the first failing hook ends the step that the phase belongs to (the spawn, or the
	// vassal's boot). Otherwise failures are logged and the next hook runs. This is uWSGI's
	// rule for each phase; + and - override it.
	Fatal bool
	// Where is the process and the namespaces, and User the user, in which the hooks run.
	Where, User string
	// Help describes, in one line, when the hooks run and which step a failure ends.
	Help string
	// Kinds are the kinds with an option in this phase, in the order they run.
	Kinds []Kind
	// Subject is the text before the action of a hook of this phase. Empty: none.
	Subject string
}

// The sets of kinds that a phase may have.
var (
	all         = []Kind{Do, Mount, Umount, Exec, Call}
	allEmperor  = []Kind{Do, Mount, Umount, Exec, Call, Call1, Call2, Call4}
	allVassal   = []Kind{Do, Mount, Umount, Exec, Call, Call1, Call3}
	onlyDo      = []Kind{Do}
	onlyProgram = []Kind{Program}
)

const (
	inEmperor = "emperor process, its namespaces"
	inChild   = "the vassal's process, its new namespaces"
	inVassal  = "the vassal's process"
	inWorker  = "each worker's process"
	inMaster  = "the vassal's master"
	asUser    = "uid and gid"
)

// PhasesOf lists the phases of a program's configuration, in order of time.
func PhasesOf(who Who) (list []Phase) {
	for i := range phases {
		if phases[i].Who == who {
			list = append(list, phases[i].Phase)
		}
	}
	return list
}

// Phases returns the table of all phases, in order of time.
func Phases() []PhaseInfo { return phases }

var phases = []PhaseInfo{
	{EmperorStart, Emperor, true, inEmperor, "the emperor", "once, when the emperor starts; failure ends the emperor", all, ""},
	{AsEmperorBeforeVassal, Emperor, true, inEmperor, "the emperor", "before the vassal is cloned; failure cancels this spawn", allEmperor, ""},
	{AsEmperor, Emperor, false, inEmperor, "the emperor", "after the clone, while the vassal is parked; failure is logged", allEmperor, ""},
	{
		AsEmperorSetns, Emperor, false, "a helper process in the named namespaces of the vassal", "the emperor",
		"after as-emperor, while the vassal is parked; failure is logged", onlyDo, "NAMESPACES",
	},
	{
		AsVassalBeforeDrop, Emperor, true, inChild, "the emperor",
		"first of all in the child, before capabilities and tyrant mode reduce its rights; failure ends this spawn", allVassal, "",
	},
	{VassalsStart, Emperor, false, inChild, "the user that the vassal's program starts as", "in the child, before as-vassal; failure is logged", onlyProgram, ""},
	{
		AsVassal, Emperor, true, inChild, "the user that the vassal's program starts as",
		"in the child, before all steps of the vassal itself; failure ends this spawn", allVassal, "",
	},
	{OnVassalReady, Emperor, false, inEmperor, "the emperor", "when a vassal accepts requests; failure is logged", allEmperor, ""},
	{OnVassalFailed, Emperor, false, inEmperor, "the emperor", "when a generation failed to start, or ended unasked; failure is logged", allEmperor, ""},
	{VassalsStop, Emperor, false, inEmperor, "the emperor", "when a vassal has ended and is cleaned up; failure is logged", onlyProgram, ""},
	{
		AsEmperorAfterVassal, Emperor, false, inEmperor, "the emperor",
		"when a vassal has ended and is cleaned up, before the next generation; failure is logged", allEmperor, "",
	},
	{
		AsOnDemandVassal, Emperor, false, inEmperor, "the emperor",
		"when an on-demand vassal starts to wait for its first connection; failure is logged", allEmperor, "",
	},
	{AsOnConfigVassal, Emperor, false, inEmperor, "the emperor", "when the file of a waiting on-demand vassal has changed; failure is logged", allEmperor, ""},

	{Asap, Vassal, true, inVassal, "the user that the vassal started as", "right after the configuration was parsed; failure ends the boot", all, ""},
	{PreJail, Vassal, true, inVassal, "the user that the vassal started as", "before any jail and before privileges are dropped; failure ends the boot", all, ""},
	{
		InJail, Vassal, true, inVassal, "the user that the vassal started as",
		"after the vassal entered its namespace jail, or at the same point without a jail; failure ends the boot", all, "",
	},
	{PostJail, Vassal, true, inVassal, "the user that the vassal started as", "after unshare, where the vassal is jailed; failure ends the boot", all, ""},
	{
		AsRoot, Vassal, true, inVassal, "the user that the vassal started as",
		"the last privileged moment, after the wait for interfaces and files; failure ends the boot", all, "",
	},
	{AsUser, Vassal, true, inVassal, asUser, "right after privileges were dropped; failure ends the boot", all, ""},
	{PreApp, Vassal, true, inVassal, asUser, "when the sockets are bound, before the application starts; failure ends the boot", all, ""},
	{PostApp, Vassal, true, inVassal, asUser, "when the application is found and about to start; failure ends the boot", all, ""},
	{MasterStart, Vassal, false, inMaster, asUser, "when the master starts to supervise; failure is logged", all, ""},
	{PostFork, Vassal, true, inWorker, asUser, "in each new worker, before its program; failure ends the worker, and the boot if it is the first", all, ""},
	{Accepting, Vassal, true, inMaster, asUser, "for each worker that is ready; failure ends the worker, and the boot if it is the first", all, ""},
	{AcceptingOnce, Vassal, true, inMaster, asUser, "for each worker that is ready, except the replacement of one that died; failure ends the " +
		"worker, and the boot if it is the first", all, ""},
	{Accepting1, Vassal, true, inMaster, asUser, "when worker 1 is ready; failure ends the worker, and the boot if it is the first", all, ""},
	{Accepting1Once, Vassal, true, inMaster, asUser, "when worker 1 is ready, except for its replacement after a death; failure ends the " +
		"worker, and the boot if it is the first", all, ""},
	{Touch, Vassal, false, inMaster, asUser, "each time the file is touched; failure is logged", onlyDo, "FILE"},
	{EmperorReload, Vassal, false, inMaster, asUser, "when the emperor asks for a reload; failure is logged", all, ""},
	{EmperorStop, Vassal, false, inMaster, asUser, "when the emperor asks to stop; failure is logged", all, ""},
	{EmperorLost, Vassal, false, inMaster, asUser, "when the emperor disappears without a stop command; failure is logged", all, ""},
	{AsUserAtexit, Vassal, false, inMaster, asUser, "before the vassal exits or reloads; failure is logged", all, ""},
}

// Info returns the row of p; ok is false when there is no such phase.
func (p Phase) Info() (info PhaseInfo, ok bool) {
	for i := range phases {
		if phases[i].Phase == p {
			return phases[i], true
		}
	}
	return PhaseInfo{}, false
}

// Inside reports whether the phase runs in a process of the vassal.
func (i PhaseInfo) Inside() bool { return i.Who == Vassal || i.Where == inChild }

// AsUser reports whether the phase runs after privileges were dropped.
func (i PhaseInfo) AsUser() bool { return i.User == asUser }

// Serving reports whether a reload replaces the hooks of the phase. Hooks of all other phases
// belong to the boot.
func (i PhaseInfo) Serving() bool {
	switch i.Phase {
	case PostFork, Accepting, Accepting1, Touch, EmperorReload, EmperorStop, EmperorLost, AsUserAtexit:
		return true
	}
	return false
}
