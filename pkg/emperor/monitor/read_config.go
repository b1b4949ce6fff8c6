package monitor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/cause"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/internal/revision"
)

// errBusy is returned for a file that a program has open for writing: it may be incomplete,
// and it is read when the writer closes it.
var errBusy = errors.New("is being written")

// errNoProc is returned for a file that exists and cannot be opened by its descriptor.
var errNoProc = errors.New("cannot be read: /proc is not mounted here")

// fileStat shows, without reading a file, that it is unchanged, and has the same owner.
type fileStat struct {
	revision.Revision
	uid, gid uint32
}

func statOf(fd int) (fileStat, uint32, error) {
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return fileStat{}, 0, err
	}
	return fileStat{revision.Of(&s), s.Uid, s.Gid}, s.Mode & unix.S_IFMT, nil
}

// result is the result of reading one file.
type result struct {
	path    string // absolute
	stat    fileStat
	found   time.Time // just before stat; zero: stat is of a link
	data    []byte
	printed bool     // the file was executed, and data is its output
	same    bool     // the file is unchanged, and was not read
	program *os.File // the file itself, to be executed for its content
	gone    bool     // there is no such name
	moved   bool     // its directory is another one by now
	left    bool     // it may be incomplete, and is left for the next read
	places  []place  // other places where it can change; they are watched
	err     error
}

// close closes the file if it was to be executed.
func (r result) close() {
	if r.program != nil {
		r.program.Close()
	}
}

// known returns the stat by which later reads recognize the unchanged file. It is zero when the
// file has changed so recently that the next change may have the same time and size.
func (r *result) known() fileStat {
	if !r.found.IsZero() && !r.stat.Settled(r.found) {
		return fileStat{}
	}
	return r.stat
}

// read reads a file in the directory in, if it has changed since known.
func (f *files) read(touch reads.At, at dirIdentity, path string, known fileStat) (r result) {
	dir, name := filepath.Split(path)
	r.path = path
	places, err := linkPlaces(touch, dir, name)
	if !f.options.NoFollow { // before it is read: later changes make events
		r.places = f.watchPlaces(places)
	}
	if r.err = err; err != nil {
		return r
	}
	d, err := os.OpenFile(dir, unix.O_PATH|oDirectory, 0)
	if err != nil {
		return result{moved: true}
	}
	defer d.Close()
	if now, err := identityOf(d); err != nil || now != at {
		return result{moved: true}
	}
	r.readIn(int(d.Fd()), name, known, f.options)
	if errors.Is(r.err, unix.ENOENT) {
		if r.gone = gone(int(d.Fd()), name); !r.gone {
			r.err = errDangling
		}
	}
	return r
}

var errDangling = errors.New("is a symbolic link to a missing file")

// Read reads one file as the monitors of files do, with the same refusals. It may block.
func Read(path string) ([]byte, error) {
	dir, err := os.OpenFile(filepath.Dir(path), unix.O_PATH|oDirectory, 0)
	if err != nil {
		return nil, cause.Of(err)
	}
	defer dir.Close()
	r := result{path: path}
	r.readIn(int(dir.Fd()), filepath.Base(path), fileStat{}, DirOptions{})
	if errors.Is(r.err, unix.ENOENT) && !gone(int(dir.Fd()), filepath.Base(path)) {
		r.err = errDangling
	}
	return r.data, cause.Of(r.err)
}

// gone distinguishes a name that does not exist from a link without a target.
func gone(dir int, name string) bool {
	var s unix.Stat_t
	return errors.Is(unix.Fstatat(dir, name, &s, unix.AT_SYMLINK_NOFOLLOW), unix.ENOENT)
}

// readIn reads the file name in the directory dir. The name is resolved once; all later steps
// use the file that was found, whatever the name means by then.
func (r *result) readIn(dir int, name string, known fileStat, o DirOptions) {
	// O_PATH opens no device, and does not block on a FIFO.
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		r.err = err
		return
	}
	found := os.NewFile(uintptr(fd), name)
	defer func() {
		if r.program == nil {
			found.Close()
		}
	}()
	var kind uint32
	r.found = time.Now()
	r.stat, kind, r.err = statOf(fd)
	switch {
	case r.err != nil:
		return
	case kind != unix.S_IFREG:
		r.err = fmt.Errorf("is %s, not a regular file", kindName(kind))
		return
	case r.stat.Size > MaxConfig:
		r.err = fmt.Errorf("is larger than %d bytes", MaxConfig)
		return
	}
	if o.Owners != nil {
		if r.err = o.Owners.judge(r.path, fd); r.err != nil {
			return
		}
	}
	if o.NoFollow {
		if link, ok := linkStat(dir, name); ok {
			link.uid, link.gid = r.stat.uid, r.stat.gid // of the file that is read
			r.stat, r.found = link, time.Time{}         // another target makes another link
		}
	}
	if r.same = r.stat == known; r.same {
		return
	}
	if r.err = ofKernel(fd); r.err != nil {
		return
	}
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	executable := o.MagicExec && unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS) == nil
	if r.data, r.err = readStill(path); executable && !errors.Is(r.err, errBusy) {
		// The beginning is in memory now: executing the file does not access the file system.
		r.program, r.data, r.err = found, nil, nil
	}
}

// ofKernel refuses files whose content the kernel generates: some of them block until an
// event.
func ofKernel(fd int) error {
	var s unix.Statfs_t
	if err := unix.Fstatfs(fd, &s); err != nil {
		return err
	}
	if name, ok := kernelFiles[int64(s.Type)]; ok { //nolint:unconvert // int32 on some machines
		return fmt.Errorf("is a file of %s, in which there are no configurations", name)
	}
	return nil
}

// kernelFiles are the file systems without stored files (statfs(2)).
var kernelFiles = map[int64]string{
	unix.PROC_SUPER_MAGIC: "procfs", unix.SYSFS_MAGIC: "sysfs", unix.DEBUGFS_MAGIC: "debugfs", unix.TRACEFS_MAGIC: "tracefs",
	unix.SECURITYFS_MAGIC: "securityfs", unix.SELINUX_MAGIC: "selinuxfs", unix.SMACK_MAGIC: "smackfs", unix.CGROUP_SUPER_MAGIC: "cgroupfs",
	unix.CGROUP2_SUPER_MAGIC: "cgroupfs", unix.BPF_FS_MAGIC: "bpffs", unix.PSTOREFS_MAGIC: "pstore", unix.EFIVARFS_MAGIC: "efivarfs",
}

// linkStat returns the fileStat of a symbolic link itself.
func linkStat(dir int, name string) (st fileStat, ok bool) {
	link, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return st, false
	}
	defer unix.Close(link)
	st, kind, err := statOf(link)
	return st, err == nil && kind == unix.S_IFLNK
}

// readStill reads a file that no program is writing. A read lease (fcntl(2), F_SETLEASE) is
// granted only when no descriptor is open for writing anywhere, and blocks new writers until
// the descriptor is closed here.
func readStill(path string) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.ENOENT) { // the file exists, because the descriptor does: /proc is missing
		return nil, errNoProc
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK); errors.Is(err, unix.EAGAIN) {
		return nil, errBusy
	} else if err != nil && justModified(f) { // a file system without leases, or another user's file
		return nil, errBusy
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxConfig+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > MaxConfig:
		return nil, fmt.Errorf("is larger than %d bytes", MaxConfig)
	}
	return bytes.Clone(data), nil // without the room that reading has left: it is kept
}

// justModified reports whether a file was modified a moment ago: its writer may not have
// finished. The clock of a file server may be ahead of ours.
func justModified(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	age := time.Since(info.ModTime())
	return age >= 0 && age < settleMax
}

func (s fileStat) touched() time.Time { return time.Unix(s.Modified.Unix()) }

func kindName(kind uint32) string {
	switch kind {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFIFO:
		return "a FIFO"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	}
	return "something else"
}
