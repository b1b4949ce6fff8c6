package emperord

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/atomicfile"
	"github.com/emperor-go/emperor/pkg/config"
)

// prepare applies the options of this process while it still has its rights. undo removes the
// files that it made, and is called at the end.
func prepare(o *config.Emperor) (undo func(), err error) {
	undo = func() {}
	if o.Procname != "" {
		// The name of the process, not of the calling thread (proc_pid_comm(5)).
		if err := os.WriteFile("/proc/self/comm", []byte(o.Procname), 0o644); err != nil {
			return undo, fmt.Errorf("cannot name the process: %w", err)
		}
	}
	if o.Subreaper {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return undo, fmt.Errorf("cannot adopt orphans: %w", err)
		}
	}
	if o.Pidfile == "" {
		return undo, nil
	}
	uid, gid, err := becoming(o)
	if err != nil {
		return undo, err
	}
	file := atomicfile.Options{Mode: 0o644}
	if uid != os.Geteuid() || gid != os.Getegid() {
		file.Owner = &atomicfile.Owner{UID: uid, GID: gid}
	}
	ours, err := atomicfile.Write(o.Pidfile, []byte(strconv.Itoa(os.Getpid())+"\n"), file)
	if err != nil {
		return undo, fmt.Errorf("cannot write emperor-pidfile: %w", err)
	}
	return func() {
		// By its identity: in another pid namespace another emperor may have this pid.
		if now, err := os.Lstat(o.Pidfile); err == nil && os.SameFile(now, ours) && now.ModTime().Equal(ours.ModTime()) {
			if os.Remove(o.Pidfile) != nil { // another user's directory
				_ = os.Truncate(o.Pidfile, 0)
			}
		}
	}, nil
}
