package emperor

import (
	"fmt"
	"syscall"

	"github.com/emperor-go/emperor/pkg/namespaces"
	"github.com/emperor-go/emperor/pkg/wire"
)

// Exit is the end of a process.
type Exit struct {
	namespaces.ExitStatus
	// Err is the reason why the status is not known. Usually nil.
	Err error
	// OOMKills is how many processes of the generation the OOM killer has killed, as far
	// as their cgroup counts that.
	OOMKills int
	// Own is the end of the vassal's program after it was asked to stop, as the vassal reports.
	// The vassal itself ended cleanly then.
	Own wire.End
	// Reason is the vassal's own explanation, and Last the last line of its program. Empty:
	// not known.
	Reason, Last string
}

// why returns Reason, or the exit status without one, and Last.
func (x Exit) why() string {
	text := x.Reason
	if text == "" || x.OOMKills > 0 {
		text = x.String()
	}
	if x.Last != "" {
		text += ", its last words: " + x.Last
	}
	return text
}

// Effective is how the vassal ended, or where that was clean its program.
func (x Exit) Effective() namespaces.ExitStatus {
	switch clean := x.ExitStatus == (namespaces.ExitStatus{}); {
	case clean && x.Own.Signal > 0:
		return namespaces.ExitStatus{Code: -1, Signal: syscall.Signal(x.Own.Signal)}
	case clean:
		return namespaces.ExitStatus{Code: x.Own.Code}
	}
	return x.ExitStatus
}

// String prints like `exit status 1` and `signal: killed`.
func (x Exit) String() string {
	text := x.Effective().String()
	if x.Own.Killed {
		text += " (its program did not stop within reload-mercy)"
	}
	if x.Err != nil {
		text = x.Err.Error()
	}
	if x.OOMKills > 0 {
		text += fmt.Sprintf(" (out of memory: the kernel killed %d of its processes)", x.OOMKills)
	}
	return text
}
