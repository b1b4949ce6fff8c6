package monitor

import (
	"bytes"
	"context"
	"os"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// mountPause is the shortest interval of reading the table of mounts.
const mountPause = 50 * time.Millisecond

// mountTable is the kernel's table of mounts.
type mountTable []*mountinfo.Info

// of returns the number of the mount at a path; zero: not known. Of several mounts the deepest
// counts, and of mounts at one place the last.
func (m mountTable) of(path string) (id int) {
	deepest := -1
	for _, i := range m {
		at := i.Mountpoint
		if len(at) >= deepest && (at == "/" || path == at || strings.HasPrefix(path, at+"/")) {
			deepest, id = len(at), i.ID
		}
	}
	return id
}

// watchMounts follows the table of mounts: fsnotify does not report that a file system is
// unmounted, or mounted over a directory. Without /proc there are no such reports, and the
// rescans of the monitor find the change.
func (w *watcher) watchMounts() {
	fd, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	table := os.NewFile(uintptr(fd), "mountinfo") // in the runtime's poller: waiting takes no thread
	w.mounts, _ = readMounts(fd)
	stop := context.AfterFunc(w.ctx, func() { table.Close() })
	go func() {
		defer table.Close()
		defer stop()
		pause := time.NewTimer(mountPause)
		defer pause.Stop()
		raw, err := table.SyscallConn()
		if err != nil {
			return
		}
		// The kernel wakes the poller at each change (proc_pid_mountinfo(5)).
		_ = raw.Read(func(fd uintptr) bool {
			mounts, err := readMounts(int(fd))
			ended := err == nil && !w.send(w.remounted(mounts))
			pause.Reset(mountPause)
			select {
			case <-pause.C:
			case <-w.ctx.Done():
			}
			return ended || w.ctx.Err() != nil
		})
	}()
}

// readMounts reads the table from its beginning.
func readMounts(fd int) (mountTable, error) {
	var text bytes.Buffer
	buffer := make([]byte, 32<<10)
	for {
		n, err := unix.Pread(fd, buffer, int64(text.Len()))
		if err != nil {
			return nil, os.NewSyscallError("read", err)
		}
		if n == 0 {
			return mountinfo.GetMountsFromReader(&text, nil)
		}
		text.Write(buffer[:n])
	}
}

// remounted takes over a new table, and returns hints to the directories that are on another
// mount than before. Their watches end: they are on the file system that is covered or gone.
func (w *watcher) remounted(mounts mountTable) (hints []hint) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mounts = mounts
	for path, d := range w.dirs {
		if mounts.of(path) != d.paths[path] {
			hints = append(hints, hint{dir: path})
		}
	}
	for _, h := range hints {
		w.forget(h.dir, inode{})
	}
	return hints
}
