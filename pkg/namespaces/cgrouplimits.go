package namespaces

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// CgroupLimit is one file of a limited cgroup with its content (cgroup-v2).
type CgroupLimit struct {
	// Option is the option that sets it, for messages.
	Option string
	// File is a file of the cgroup, such as pids.max, and Value the text that is written to it.
	File, Value string
	// Reset is the text that removes the limit. Empty: only a new cgroup is without it.
	Reset string
	// Default: no one asked for it, and without its controller it is left out.
	Default bool
	// Free: the file has a form of its own, and the kernel's refusal of the write is the only
	// check. Otherwise the file is read back.
	Free bool
}

// Controller returns the controller of the file, such as memory. Empty: the file belongs to the
// kernel's core.
func (l CgroupLimit) Controller() string {
	name, _, _ := strings.Cut(l.File, ".")
	if name == "cgroup" {
		return ""
	}
	return name
}

// ErrNoController is wrapped by errors about limits whose controller the emperor does not have.
var ErrNoController = errors.New("no controller")

// noController is an error about an option.
type noController struct {
	option, controller string
}

func (e noController) Error() string {
	what := "no " + e.controller + " controller"
	if e.controller == "" {
		what = "no cgroup"
	}
	text := "this host gives the emperor " + what + " (Delegate=yes, cgroup v2)"
	if e.option != "" {
		text = e.option + ": " + text
	}
	return text
}

func (noController) Unwrap() error { return ErrNoController }

// NoController returns the error about an option without a controller. Without an option its
// text is the second half. An empty controller is the cgroup itself.
func NoController(option, controller string) error { return noController{option, controller} }

// setLimits writes limits to the files of a cgroup and reads them back.
func setLimits(dir string, limits []CgroupLimit) error {
	for _, l := range limits {
		if err := l.set(dir); err != nil {
			return err
		}
	}
	return nil
}

func (l CgroupLimit) set(dir string) error {
	path := filepath.Join(dir, l.File)
	err := writeCgroup(path, l.Value)
	if errors.Is(err, os.ErrNotExist) && l.File == ioWeight {
		return l.bfq().set(dir)
	}
	switch {
	case errors.Is(err, os.ErrNotExist) && l.Free:
		return fmt.Errorf("%s: the kernel has no file %s for it", l.Option, l.File)
	case errors.Is(err, os.ErrNotExist):
		return NoController(l.Option, l.Controller())
	case err != nil:
		return fmt.Errorf("%s: cannot write %q to %s: %w", l.Option, l.Value, l.File, errors.Unwrap(err))
	case l.Free:
		return nil
	}
	got, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s: cannot read it back: %w", l.Option, err)
	}
	if !tookEffect(l.File, l.Value, string(got)) {
		return fmt.Errorf("%s: %q was written to %s, which holds %q", l.Option, l.Value, l.File, strings.TrimSpace(string(got)))
	}
	return nil
}

// The files of the weight for block devices: of the kernel's io.cost, and of its scheduler BFQ.
const (
	ioWeight  = "io.weight"
	bfqWeight = "io.bfq.weight"
)

// bfq is the weight in the file of the scheduler BFQ, whose weights end at 1000
// (Documentation/block/bfq-iosched).
func (l CgroupLimit) bfq() CgroupLimit {
	l.File = bfqWeight
	if n, err := strconv.Atoi(l.Value); err == nil && n > 100 {
		l.Value = strconv.Itoa(min(1000, 100+(n-100)/11))
	}
	return l
}

// writeCgroup writes a file of a cgroup in one system call. It creates none.
func writeCgroup(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err = f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// tookEffect compares a written text with the kernel's form of it.
func tookEffect(file, wrote, got string) bool {
	got = strings.TrimSpace(got)
	switch {
	case got == wrote:
		return true
	case file == "io.max":
		device, limit, _ := strings.Cut(wrote, " ")
		for line := range strings.Lines(got) {
			if fields := strings.Fields(line); len(fields) > 0 && fields[0] == device {
				return slices.Contains(fields, limit)
			}
		}
		return strings.HasSuffix(limit, "=max") // a device without limits has no line
	case file == ioWeight || file == bfqWeight:
		first, _, _ := strings.Cut(got, "\n")
		return first == "default "+wrote
	case strings.HasPrefix(file, "memory."):
		want, err := strconv.ParseUint(wrote, 10, 64)
		is, bad := strconv.ParseUint(got, 10, 64)
		return err == nil && bad == nil && is <= want && want-is < uint64(unix.Getpagesize())
	}
	return false
}

// Change replaces the limits of a cgroup while it has processes. After an error the former ones
// are in effect as far as the kernel permits.
func (c *Cgroup) Change(was, is []CgroupLimit) (err error) {
	Bounded(func() {
		if err = changeLimits(c.path, was, is); err != nil {
			_ = setLimits(c.path, was)
			_ = changeLimits(c.path, is, was) // resets of the new ones, up to the one that failed
		}
	})
	return err
}

func changeLimits(dir string, was, is []CgroupLimit) error {
	for _, l := range was {
		kept := func(n CgroupLimit) bool { return n.Option == l.Option && n.slot() == l.slot() }
		if l.Reset == "" || slices.ContainsFunc(is, kept) {
			continue
		}
		l.Value = l.Reset
		if err := l.set(dir); err != nil {
			return err
		}
	}
	return setLimits(dir, is)
}

// slot identifies the part of a file that a limit sets: io.max has a line for each device, with
// several limits.
func (l CgroupLimit) slot() string {
	if l.File != "io.max" {
		return l.File
	}
	slot, _, _ := strings.Cut(l.Value, "=")
	return slot
}

// BlockDevice returns the numbers, as 8:0, of the device at a path, or of the device with the
// file system of a path. Limits apply to whole devices: of a partition it returns the device.
func BlockDevice(path string) (string, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return "", &os.PathError{Op: "stat", Path: path, Err: err}
	}
	number := s.Dev
	if s.Mode&unix.S_IFMT == unix.S_IFBLK {
		number = s.Rdev
	}
	if unix.Major(number) == 0 {
		return "", fmt.Errorf("%s is on no block device", path)
	}
	name := fmt.Sprintf("%d:%d", unix.Major(number), unix.Minor(number))
	dir := "/sys/dev/block/" + name
	if _, err := os.Stat(dir + "/partition"); err != nil {
		return name, nil //nolint:nilerr // a whole device
	}
	whole, err := os.ReadFile(dir + "/../dev")
	if err != nil {
		return name, nil //nolint:nilerr // the kernel refuses the limit of a partition
	}
	return strings.TrimSpace(string(whole)), nil
}
