package emperord

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

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
	ours, err := replace(o.Pidfile, strconv.Itoa(os.Getpid())+"\n", uid, gid)
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

// replace puts a file in place atomically, so that no reader finds half of it, and returns its
// identity. It belongs to uid and gid.
func replace(path, text string, uid, gid int) (os.FileInfo, error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	_, err = temporary.WriteString(text)
	info, stat := temporary.Stat()
	if err == nil && (uid != os.Geteuid() || gid != os.Getegid()) {
		err = temporary.Chown(uid, gid)
	}
	err = errors.Join(err, stat, temporary.Chmod(0o644), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
	return info, err
}
