package namespaces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// setnsGreeting begins the message with which uWSGI gives out namespaces (uwsgi_master_manage_setns). The number of descriptors
// follows as an int of the host.
const setnsGreeting = "uwsgi-setns"

// givenOut are the namespaces in that message, as in /proc/PID/ns. uWSGI leaves out user as well.
var givenOut = []string{"cgroup", "ipc", "mnt", "net", "pid", "time", "uts"}

// GivenOut lists the namespaces that OpenGiven opens.
func GivenOut() []string { return slices.Clone(givenOut) }

// OpenGiven opens the namespaces of this process that others may enter, without the ones in kept. The caller closes them.
func OpenGiven(kept []string) (files []*os.File, err error) {
	for _, name := range givenOut {
		if slices.Contains(kept, name) {
			continue
		}
		f, err := os.Open("/proc/self/ns/" + name)
		if errors.Is(err, os.ErrNotExist) { // an older kernel
			continue
		}
		if err != nil {
			for _, f := range files {
				f.Close()
			}
			return nil, fmt.Errorf("cannot open a namespace of this process: %w", err)
		}
		files = append(files, f)
	}
	return files, nil
}

// GiveOut sends descriptors of namespaces to the other end of a unix socket, as uWSGI does. It does not block: the message fits
// into the empty queue of a new connection.
func GiveOut(socket int, files []*os.File) error {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	message := binary.NativeEndian.AppendUint32([]byte(setnsGreeting), uint32(len(fds)))
	return os.NewSyscallError("sendmsg", unix.Sendmsg(socket, message, unix.UnixRights(fds...), nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT))
}

// NamedNetwork opens a network namespace that ip-netns(8) has made. The caller closes it.
func NamedNetwork(name string) (*os.File, error) {
	f, err := followTarget("/run/netns/" + name)
	if err != nil {
		return nil, fmt.Errorf("cannot open /run/netns/%s: %w", name, err)
	}
	defer f.Close()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil || fs.Type != unix.NSFS_MAGIC { // a FIFO would block
		return nil, fmt.Errorf("/run/netns/%s is no namespace (ip netns add %s)", name, name)
	}
	return os.Open(byDescriptor(f))
}
