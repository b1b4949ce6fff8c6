package workers

import (
	"strings"
	"syscall"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// parted records how a process ended that was stopped with sig while the vassal stops. The
// emperor gets the worst end: a program that had to be killed, then one that failed. Death by
// sig is a clean end.
func (m *master) parted(status namespaces.ExitStatus, sig syscall.Signal, killed bool) {
	end := wire.End{Killed: killed}
	switch {
	case status.Signal == 0:
		end.Code = status.Code
	case status.Signal != sig || killed:
		end.Signal = int(status.Signal)
	}
	if worse(end, m.parting) {
		m.parting = end
	}
}

// worse reports whether an end is worse than another one.
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

// backgrounded adds to the end of a worker that ended with success and left processes behind:
// it has put itself into the background, where nothing supervises it.
func (m *master) backgrounded(status string) string {
	if status != (namespaces.ExitStatus{}).String() {
		return status
	}
	left := m.System.Orphans()
	if len(left) == 0 {
		return status
	}
	return status + ", its program went into the background (" + strings.Join(left, ", ") + "): " + wire.Foreground
}
