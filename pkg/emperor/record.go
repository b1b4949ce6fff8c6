package emperor

import (
	"maps"
	"slices"
	"time"

	"github.com/emperor-go/emperor/pkg/wire"
)

// Desired is the desired state, independent of whether it is possible.
type Desired string

// The desired states.
const (
	// Run: there is a configuration, and no other wish of the operator.
	Run Desired = "run"
	// Held: the operator stopped it, or has not started it yet.
	Held Desired = "stopped"
	// Withdrawn: its configuration is gone.
	Withdrawn Desired = "withdrawn"
)

// Record is all information about a vassal at one moment. Times are zero for events that have
// not happened. Fields about a process concern the process of Generation. In JSON all fields are
// keys of one object.
type Record struct {
	Name    string  `json:"name"`
	Path    string  `json:"path"`
	Monitor string  `json:"monitor"`
	Parent  string  `json:"parent,omitempty"` // of a zerg
	Desired Desired `json:"desired"`

	State State     `json:"state"`
	Since time.Time `json:"since"`
	RecordedWait
	RecordedProcess
	RecordedConfig
	RecordedExit
	RecordedTimes

	// Ignored are the paths of files with the same name in other monitors, and other paths of
	// its own file.
	Ignored []string `json:"ignored,omitempty"`
	// Fallback names the configuration that the vassal runs on instead of its own, with the
	// reason.
	Fallback string `json:"fallback,omitempty"`
	RecordedReports
	RecordedAddresses
	Attributes map[string]string `json:"attributes,omitempty"`
	RecordedNetwork
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
}

// RecordedWait is the part of a Record about a vassal that waits.
type RecordedWait struct {
	// Why is the reason why a vassal is idle, or why a change of its file waits. PauseUntil is
	// the end of that wait, or of a backoff.
	Why        string    `json:"why,omitempty"`
	PauseUntil time.Time `json:"pause_until,omitzero"`
	// WaitsFor is the current long wait of a vassal that launches, boots or ends: a hook, an
	// interface, a step of its boot. Inside the vassal it is the vassal's own report.
	WaitsFor string `json:"waits_for,omitempty"`
}

// RecordedProcess is the part of a Record about the current process, or the last one.
type RecordedProcess struct {
	// PID of its first process. Program is the child that this process supervises as process
	// 1, by its pid in their pid namespace. Zero: no process.
	PID        int    `json:"pid,omitempty"`
	Program    int    `json:"program,omitempty"`
	Generation uint64 `json:"generation"`
}

// RecordedConfig is the part of a Record about the configurations of a vassal, and their errors.
type RecordedConfig struct {
	// Config is in effect, WantedConfig should be: a part of the hash of their contents that
	// distinguishes them. Serial counts the orders of this generation and Reloads the orders
	// that it took over.
	Config       string `json:"config,omitempty"`
	WantedConfig string `json:"wanted_config,omitempty"`
	Serial       uint64 `json:"serial,omitempty"`
	Reloads      int    `json:"reloads,omitempty"`
	// Fault is the error in the newest configuration, ReloadError the reason of the last
	// failed reload and LaunchError of the last failed launch.
	Fault       string `json:"fault,omitempty"`
	ReloadError string `json:"reload_error,omitempty"`
	LaunchError string `json:"launch_error,omitempty"`
	// FaultSince is when the configuration became invalid.
	FaultSince time.Time `json:"fault_since,omitzero"`
}

// RecordedExit is the part of a Record about launches and the end of the last process.
type RecordedExit struct {
	Launches int    `json:"launches"`
	Failures int    `json:"failures"` // in a row
	Exit     string `json:"exit,omitempty"`
	// ExitReason adds the vassal's own explanation, or the last line of its program, to Exit.
	ExitReason string `json:"exit_reason,omitempty"`
	// ExitKilled: its program did not stop in time.
	ExitKilled bool `json:"exit_killed,omitempty"`
	// ExitOOM is how many of its processes the OOM killer had killed.
	ExitOOM int       `json:"exit_oom_kills,omitempty"`
	Exited  time.Time `json:"exited,omitzero"`
}

// RecordedTimes is the part of a Record about the times of events.
type RecordedTimes struct {
	FirstRun      time.Time `json:"first_run,omitzero"`
	LastRun       time.Time `json:"last_run,omitzero"`
	Modified      time.Time `json:"modified,omitzero"`
	Ready         time.Time `json:"ready,omitzero"`
	Accepting     time.Time `json:"accepting,omitzero"`
	Loyal         time.Time `json:"loyal,omitzero"`
	LastAccepting time.Time `json:"last_accepting,omitzero"`
	LastLoyal     time.Time `json:"last_loyal,omitzero"`
	Heartbeat     time.Time `json:"heartbeat,omitzero"`
	Reloaded      time.Time `json:"reloaded,omitzero"`
	// LaunchSteps are the parts of the launch of the current process, without its hooks.
	LaunchSteps []LaunchStep `json:"launch_steps,omitempty"`
	// ReloadGap is for how many milliseconds the last reload has left the vassal without a
	// ready worker.
	ReloadGap int64 `json:"reload_gap_ms,omitempty"`
	// ReloadHeld: its sockets were open in that time, and connections to them waited.
	ReloadHeld bool `json:"reload_held,omitempty"`
}

// LaunchStep is a part of a launch: the clone, or the connection to the network.
type LaunchStep struct {
	Name  string    `json:"name"`
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
}

// RecordedReports is the part of a Record that the vassal reports, with the results of its hooks.
type RecordedReports struct {
	// WorkerDeaths of the process, as it reports. Nil: none yet.
	WorkerDeaths *wire.Deaths `json:"worker_deaths,omitempty"`
	// Landlocks are the restrictions of its process by landlock(7), as it reports.
	Landlocks wire.Landlocks `json:"landlocks,omitzero"`
	// Hooks are the last runs of its hooks, in the emperor and inside, the newest
	// last.
	Hooks []HookRun `json:"hooks,omitempty"`
	// Status is the status text of the vassal, and Phase its own report by sd_notify(3), in
	// any state: reloading or stopping.
	Status string `json:"status,omitempty"`
	Phase  string `json:"phase,omitempty"`
}

// RecordedAddresses is the part of a Record about the addresses of a vassal.
type RecordedAddresses struct {
	// Address of an on-demand vassal. Addresses are bound by the vassal itself: the ones of the
	// configuration in effect, or, when nothing runs, of the wanted one.
	Address   string   `json:"address,omitempty"`
	Addresses []string `json:"addresses,omitempty"`
}

// RecordedNetwork is the part of a Record about the built-in network.
type RecordedNetwork struct {
	// Network is the place of the vassal. NoNetwork is the reason why it has lost that, and
	// NoNetworkSince the time.
	Network        *Attachment `json:"network,omitempty"`
	NoNetwork      string      `json:"no_network,omitempty"`
	NoNetworkSince time.Time   `json:"no_network_since,omitzero"`
}

func (v *vassal) record(o *Options) Record {
	r := Record{
		Name: v.name, Monitor: o.Monitors[v.file.source].String(), Desired: v.wish.desired(), State: v.state, Since: v.since, Fallback: v.history.fallback,
		RecordedProcess: RecordedProcess{Generation: v.run.generation},
		RecordedConfig: RecordedConfig{
			Config: v.run.config.Version.Short(), Serial: v.run.serial, Reloads: v.run.reloads,
			Fault: v.wish.fault, FaultSince: v.wish.faultSince, ReloadError: v.history.reload.err,
		},
		RecordedExit: RecordedExit{Launches: v.history.launches, Failures: v.outcome.failures, Exited: v.history.at.exited},
		RecordedTimes: RecordedTimes{
			FirstRun: v.history.at.firstRun, LastRun: v.history.at.lastRun, Ready: v.history.at.ready, Accepting: v.history.at.accepting, Loyal: v.history.at.loyal,
			LastAccepting: v.history.at.lastAccepting, LastLoyal: v.history.at.lastLoyal, Heartbeat: v.history.at.heartbeat,
			Reloaded: v.history.at.reloaded, ReloadGap: v.history.reload.gap.Milliseconds(), ReloadHeld: v.history.reload.waited && v.history.reload.gap > 0,
		},
		RecordedReports: RecordedReports{Hooks: slices.Clone(v.history.hookRuns), Status: v.history.status, Phase: v.history.phase},
	}
	r.PauseUntil = v.history.pauseUntil
	if v.wish.wanted != nil {
		r.Path, r.WantedConfig, r.Modified = v.wish.wanted.Path, v.wish.wanted.Version.Short(), time.Unix(0, v.wish.wanted.Version.Touched)
		r.Attributes, r.Addresses, r.UID, r.GID = v.wish.wanted.Attributes, v.wish.wanted.Addresses, v.wish.wanted.UID, v.wish.wanted.GID
	}
	switch {
	case v.living() == nil:
	case v.history.listening != nil:
		r.Addresses = slices.Clone(v.history.listening)
	default:
		r.Addresses = v.run.config.Addresses
	}
	r.Network = v.attachment()
	if v.living() != nil {
		r.NoNetwork, r.NoNetworkSince = v.history.loss.cutReason, v.history.loss.cutOff
	}
	r.Ignored = slices.Sorted(maps.Keys(v.file.duplicates))
	if v.parent != nil {
		r.Parent = v.parent.name
	}
	if p, ok := v.run.process.(interface{ LaunchSteps() []LaunchStep }); ok {
		r.LaunchSteps = p.LaunchSteps()
	}
	if r.PID = v.pid(); r.PID != 0 {
		r.Program, r.Landlocks = v.history.inside.program, v.history.inside.landlocks
	}
	r.Why = wait{v.state, v.situation(o).resting(), v.outcome.paused != nil}.why()
	if v.outcome.paused != nil && r.Why == whyThrottled {
		r.PauseUntil = v.outcome.churn.until()
	}
	if v.state.in(busy) {
		r.WaitsFor = v.history.waitsFor
	}
	if v.history.cause != nil {
		r.LaunchError = v.history.cause.Error()
	}
	if v.history.deaths.Total > 0 {
		d := v.history.deaths
		r.WorkerDeaths = &d
	}
	if v.history.exit != nil {
		r.ExitKilled = v.history.exit.Own.Killed
		r.Exit, r.ExitReason, r.ExitOOM = v.history.exit.String(), v.history.exit.why(), v.history.exit.OOMKills
	}
	if v.demand.activation != nil {
		r.Address = v.demand.activation.String()
	}
	return r
}
