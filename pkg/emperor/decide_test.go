package emperor

import (
	"strings"
	"testing"
	"time"
)

func TestDecide(t *testing.T) {
	runs := situation{usable: true, desired: Run}
	with := func(change func(*situation)) situation { s := runs; change(&s); return s }
	tests := []struct {
		name string
		in   situation
		want decision
	}{
		{"new", runs, decision{input: Again}},
		{"perhaps on demand", with(func(s *situation) { s.demand = true }), decision{input: Sleep}},
		{"no file", with(func(s *situation) { s.desired, s.failed = Withdrawn, true }), decision{input: Forget}},
		{"a zerg", with(func(s *situation) { s.zergEnded, s.failed = true, true }), decision{input: Forget}},
		{"no usable configuration", situation{desired: Held}, decision{Rest, "there is no usable configuration"}},
		{"stopped", with(func(s *situation) { s.desired, s.rest = Held, restExiled }), decision{Rest, "stopped by the operator"}},
		{"exiled", with(func(s *situation) { s.rest, s.onDemand = restExiled, true }), decision{Rest, string(restExiled)}},
		{"left", with(func(s *situation) { s.rest = restLeft }), decision{Rest, string(restLeft)}},
		{"left, on demand", with(func(s *situation) { s.rest, s.onDemand, s.demand = restLeft, true, true }), decision{input: Sleep}},
		{"edited while it waits", with(func(s *situation) { s.demand, s.edited = true, true }), decision{input: SleepEdited}},
		{"failed", with(func(s *situation) { s.failed = true }), decision{Wait, "it failed"}},
		{"failed too often", with(func(s *situation) { s.failed, s.tooOften, s.trial = true, true, true }), decision{Rest, string(restFailures)}},
		{"failed too often, and its file has changed", with(func(s *situation) { s.tooOften = true }), decision{input: Again}},
		{"failed too often before", with(func(s *situation) { s.rest = restFailures }), decision{Rest, string(restFailures)}},
		{"an edit failed", with(func(s *situation) { s.failed, s.trial, s.throttled = true, true, true }), decision{input: Revert}},
		{"changes too often", with(func(s *situation) { s.throttled, s.failed, s.demand = true, true, true }), decision{Hold, whyThrottled}},
	}
	for _, tt := range tests {
		if got := tt.in.decide(); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// Every decision is an input of the state in which it is taken, and has a reason unless it
// launches or forgets.
func TestEveryDecisionIsListed(t *testing.T) {
	rests := []restReason{"", restExiled, restLeft, restFailures}
	desires := []Desired{Run, Held, Withdrawn, Run}
	for bits := range 1 << 11 {
		for _, rest := range rests {
			has := func(n int) bool { return bits&(1<<n) != 0 }
			s := situation{
				desired: desires[bits&3], zergEnded: has(2), usable: has(3), onDemand: has(4), failed: has(5), tooOften: has(6),
				trial: has(7), throttled: has(8), demand: has(9), edited: has(10), rest: rest,
			}
			d := s.decide()
			if _, _, listed := step(Settled, d.input); !listed {
				t.Fatalf("%+v: %s is not listed", s, d.input)
			}
			if (d.reason == "") != (d.launches() || d.input == Forget) {
				t.Fatalf("%+v: %s because of %q", s, d.input, d.reason)
			}
			if d.launches() && (s.desired != Run || !s.usable) {
				t.Fatalf("%+v: %s", s, d.input)
			}
		}
	}
}

func TestWayToTheWantedConfiguration(t *testing.T) {
	tests := []struct {
		name string
		in   edit
		want takeover
	}{
		{"touched while it boots", edit{state: Starting, sameContent: true, sameOwner: true}, takeAsRunning},
		{"changed while it boots", edit{state: Starting, sameOwner: true}, takeAnew},
		{"chowned while it boots", edit{state: Starting, sameContent: true}, takeAnew},
		{"nothing runs", edit{state: Idle, sameOwner: true}, takeAnew},
		{"waits for a connection", edit{state: Waiting, sameOwner: true}, takeByNext},
		{"waits after a failure", edit{state: BackingOff, sameContent: true, sameOwner: true}, takeByNext},
		{"stopped", edit{state: Running, desired: Held, sameOwner: true}, takeAnew},
		{"touched", edit{state: Running, sameContent: true, sameOwner: true}, takeInPlace},
		{"changed", edit{state: Running, sameOwner: true}, takeCompared},
		{"changed, without comparison", edit{state: Running, sameOwner: true, incomparable: true}, takeAnew},
		{"chowned", edit{state: Running, sameContent: true}, takeAnewOwner},
		{"touched, with another profile", edit{state: Running, sameContent: true, sameOwner: true, otherProfile: true}, takeAnewProfile},
		{"reloads, with another profile", edit{state: Reloading, sameOwner: true, otherProfile: true}, takeNothing},
		{"nothing new", edit{state: Running, same: true, sameContent: true, sameOwner: true}, takeNothing},
		{"refused before", edit{state: Running, refused: true, sameOwner: true}, takeNothing},
		{"an earlier change waits", edit{state: Running, paused: true, sameOwner: true}, takeNothing},
		{"reloads", edit{state: Reloading, sameOwner: true}, takeNothing},
	}
	for _, tt := range tests {
		if tt.in.desired == "" {
			tt.in.desired = Run
		}
		if got := tt.in.decide(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Every effect of the table has one action, and no other effect has.
func TestEveryEffectHasAnAction(t *testing.T) {
	actions := newActions()
	var effects []Effect
	for _, r := range table {
		effects = append(effects, r.effect)
	}
	for _, p := range passages {
		effects = append(effects, p.effect)
	}
	for _, effect := range effects {
		if _, ok := actions[effect]; !ok {
			t.Errorf("the effect %q has no action", effect)
		}
	}
	for _, effect := range effects {
		delete(actions, effect)
	}
	for effect := range actions {
		if effect != doNothing {
			t.Errorf("the effect %q is not in the table", effect)
		}
	}
}

// The result of work beside the loop counts for the same process, the same configuration, and a state
// that takes it.
func TestVoidEfforts(t *testing.T) {
	counts := effort{desired: Run, state: Running, takes: true}
	with := func(change func(*effort)) effort { e := counts; change(&e); return e }
	for _, tt := range []struct {
		in   effort
		want string
	}{
		{counts, ""},
		{with(func(e *effort) { e.desired = Held }), ""}, // the input Drop has changed the state
		{with(func(e *effort) { e.stale = true }), "there is a new process"},
		{with(func(e *effort) { e.desired, e.newer = Withdrawn, true }), "it is to end"},
		{with(func(e *effort) { e.state, e.takes = Reloading, false }), "it is reloading"},
		{with(func(e *effort) { e.newer = true }), "there is a newer configuration"},
		{with(func(e *effort) { e.adjusting = true }), "its limits or its network are being changed"},
	} {
		if got := tt.in.void(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.in, got, tt.want)
		}
	}
}

// A change of limits and the network continues an edit, unless there is a newer one or the vassal reloads
// meanwhile.
func TestAftermathOfAdjustments(t *testing.T) {
	for _, tt := range []struct {
		in   aftermath
		want continuation
	}{
		{aftermath{}, continueDone},
		{aftermath{more: true}, continueReload},
		{aftermath{failed: true}, continueRefused},
		{aftermath{failed: true, more: true}, continueRefused},
		{aftermath{newer: true}, continueFrom},
		{aftermath{newer: true, more: true}, continueAnew},
		{aftermath{newer: true, failed: true, more: true}, continueNext},
		{aftermath{reloads: true}, continueNext},
		{aftermath{reloads: true, more: true}, continueAnew},
		{aftermath{reloads: true, failed: true, more: true}, continueNext},
	} {
		if got := tt.in.decide(); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.in, got, tt.want)
		}
	}
}

// An unusable file changes nothing while a process runs, or without a fallback. A file that was gone counts
// again, also with the same content.
func TestFindings(t *testing.T) {
	for _, tt := range []struct {
		in     finding
		counts bool
	}{
		{finding{}, true},
		{finding{wanted: true}, true},
		{finding{wanted: true, same: true}, false},
		{finding{wanted: true, same: true, withdrawn: true}, true},
		{finding{unusable: true}, false},
		{finding{unusable: true, fallback: true}, true},
		{finding{unusable: true, fallback: true, wanted: true, alive: true}, false},
		{finding{unusable: true, fallback: true, wanted: true}, true},
	} {
		if why := tt.in.ignored(); (why == "") != tt.counts {
			t.Errorf("%+v: %q", tt.in, why)
		}
	}
}

// A vassal has the network of another one only while that serves, and only of its own owner by a tenant's file.
func TestJoining(t *testing.T) {
	for _, tt := range []struct {
		in   joining
		want string
	}{
		{joining{host: "h", serves: true}, ""},
		{joining{host: "h", serves: true, foreign: true}, ""},
		{joining{host: "h"}, "it waits for h, whose network it has"},
		{joining{at: "f:1:", tenant: true, foreign: true, host: "h", serves: true}, `f:1: the vassal "h" belongs to another user: a tenant's own file may not choose its network`},
		{joining{at: "f:1:", circle: true, host: "h", serves: true}, "f:1: each of the vassals"},
		{joining{at: "f:1:", missing: "x"}, `f:1: there is no vassal "x"`},
	} {
		if got := tt.in.apart(); got != tt.want && (tt.want == "" || !strings.HasPrefix(got, tt.want)) {
			t.Errorf("%+v: %q, want %q", tt.in, got, tt.want)
		}
	}
}

// The reason of a wait is one of its rest, or that its file changes too often.
func TestReasonsOfWaits(t *testing.T) {
	for _, tt := range []struct {
		in   wait
		want string
	}{
		{wait{Idle, "stopped", true}, "stopped"},
		{wait{Running, "stopped", false}, ""},
		{wait{Running, "", true}, whyThrottled},
		{wait{Throttled, "", false}, whyThrottled},
	} {
		if got := tt.in.why(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.in, got, tt.want)
		}
	}
}

// An announced and clean exit is no failure, but not twice in a short time.
func TestAnnouncedEndings(t *testing.T) {
	for _, tt := range []struct {
		in     ending
		failed bool
	}{
		{ending{announced: true, clean: true}, false},
		{ending{announced: true, clean: true, soon: true}, true},
		{ending{announced: true}, true},
		{ending{clean: true}, true},
	} {
		if why := tt.in.failure(); (why != "") != tt.failed {
			t.Errorf("%+v: %q", tt.in, why)
		}
	}
}

// Only an exit that asks for exile begins one, and the next exit ends it. Other reasons stay.
func TestRestAfterAnExit(t *testing.T) {
	for _, tt := range []struct {
		before restReason
		exiles bool
		want   restReason
	}{
		{"", false, ""},
		{"", true, restExiled},
		{restExiled, true, restExiled},
		{restExiled, false, ""},
		{restLeft, false, restLeft},
		{restLeft, true, restExiled},
		{restFailures, false, restFailures},
	} {
		if got := restAfter(tt.before, tt.exiles); got != tt.want {
			t.Errorf("after %q, exile %v: %q, want %q", tt.before, tt.exiles, got, tt.want)
		}
	}
}

// A process that stops by itself right after its start delays the next one for the same moment.
func TestHastyLeaving(t *testing.T) {
	const moment = time.Second
	for _, tt := range []struct {
		end          leaving
		early, hasty bool
	}{
		{leaving{left: true}, true, true},
		{leaving{left: true, served: moment - 1, ago: moment - 1}, true, true},
		{leaving{left: true, served: moment, ago: 0}, false, false},
		{leaving{left: true, served: 0, ago: moment}, true, false},
		{leaving{left: false}, false, false},
	} {
		if early, hasty := tt.end.early(moment), tt.end.hasty(moment); early != tt.early || hasty != tt.hasty {
			t.Errorf("%+v: early %v, hasty %v; want %v, %v", tt.end, early, hasty, tt.early, tt.hasty)
		}
	}
}
