package workers

import (
	"syscall"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// worstEnd is the worst exit of the programs that were stopped with the vassal. A program that
// had to be killed is worst, then one that failed.
type worstEnd struct{ end wire.End }

// add records the exit of a process that was stopped with sig. Death by sig is a clean exit.
func (w *worstEnd) add(status namespaces.ExitStatus, sig syscall.Signal, killed bool) {
	end := wire.End{Killed: killed}
	switch {
	case status.Signal == 0:
		end.Code = status.Code
	case status.Signal != sig || killed:
		end.Signal = int(status.Signal)
	}
	if worse(end, w.end) {
		w.end = end
	}
}

// worse reports whether one exit is worse than another.
func worse(a, b wire.End) bool {
	rank := func(e wire.End) int {
		switch {
		case e.Killed:
			return 3
		case e.Signal != 0:
			return 2
		case e.Code != 0:
			return 1
		}
		return 0
	}
	return rank(a) > rank(b)
}
