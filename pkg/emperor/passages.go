package emperor

// group is a group of states in which some facts are the same.
type group string

// The groups.
const (
	// withProcess: a process of the vassal may exist.
	withProcess group = "with a process"
	// alive: it has a process that was launched and is not known to be dead.
	alive group = "alive"
	// serving: the vassal answers.
	serving group = "serving"
	// busy: it launches, boots or ends, which may take long.
	busy group = "busy"
	// resting: it does not restart by itself.
	resting group = "resting"
)

// groups are the members of each group. A state is also a group of its own, with its name.
var groups = map[group][]State{
	withProcess: {Launching, Cancelling, Starting, Running, Reloading, Cursed, Stopping, Killing},
	alive:       {Starting, Running, Reloading, Cursed, Stopping, Killing},
	serving:     {Running, Reloading},
	busy:        {Launching, Cancelling, Starting, Cursed, Stopping, Killing, Clearing},
	resting:     {Idle, Waiting, Gone},
}

// in reports whether a state belongs to a group.
func (s State) in(g group) bool {
	for _, member := range groups[g] {
		if member == s {
			return true
		}
	}
	return group(s) == g
}

// crossing is the direction in which a transition passes the border of a group.
type crossing string

const (
	enters crossing = "enters"
	leaves crossing = "leaves"
)

// passage is an effect of a transition into a group of states or out of it, whatever its input is.
type passage struct {
	crossing crossing
	group    group
	effect   Effect
}

// passages are all of them, in the order in which a transition has them, before its own effect.
var passages = []passage{
	{enters, group(Running), doBridge},
	{enters, resting, doForgetGap},
	{enters, group(Gone), doRemove},
	{enters, group(Reloading), doCountReload},
	{leaves, group(Reloading), doUncountReload},
	{leaves, serving, doStopZergs},
	{enters, group(Idle), doExplainGuests},
	{enters, group(Starting), doExplainGuests},
	{enters, serving, doBeginGuests},
	{leaves, serving, doEndGuests},
	{leaves, withProcess, doLeaveHost},
}

// has reports whether a transition passes that border in that direction.
func (p *passage) has(was, next State) bool {
	if p.crossing == leaves {
		was, next = next, was
	}
	return was != next && next.in(p.group) && !was.in(p.group)
}
