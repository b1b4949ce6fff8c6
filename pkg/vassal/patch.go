package vassal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/vassal/sockets"
	"github.com/emperor-go/emperor/pkg/wire"
)

// binaryPatch turns this process into another program, if the options say so.
// No process of ours remains: nobody replaces the program's workers, and a reload
// means a new vassal. It gets the sockets by LISTEN_FDS.
func (v *Vassal) binaryPatch(context.Context) error {
	return v.become(v.options.BinaryPatch, v.sockets)
}

// become executes words, if there are any, with the sockets from descriptor 3 on.
func (v *Vassal) become(words []string, list []*sockets.Socket) error {
	if len(words) == 0 {
		return nil
	}
	path, err := exec.LookPath(words[0])
	if err != nil {
		return fmt.Errorf("cannot become %q: %w", words[0], errors.Unwrap(err))
	}
	if err := v.pipe.report(wire.Accepting); err != nil {
		return err
	}
	env := applicationEnviron()
	if len(list) > 0 {
		if err := handOver(list); err != nil {
			return fmt.Errorf("cannot hand the sockets to %q: %w", words[0], err)
		}
		env = append(env, listenVars(list)...)
		env = append(env, "LISTEN_PID="+strconv.Itoa(os.Getpid()))
	}
	return fmt.Errorf("cannot become %q: %w", words[0], syscall.Exec(path, words, env))
}

// handOver puts the sockets at 3 and up, where they survive execve. What was
// there is overwritten: there is no way back from here.
func handOver(list []*sockets.Socket) error {
	above := 3 + len(list)
	var copies []int
	for _, s := range list { // out of the way first
		fd, err := unix.FcntlInt(s.FD(), unix.F_DUPFD_CLOEXEC, above)
		if err != nil {
			return err
		}
		copies = append(copies, fd)
	}
	for i, fd := range copies {
		if err := unix.Dup3(fd, 3+i, 0); err != nil {
			return err
		}
	}
	return nil
}

// listenVars tells a program of the sockets that it finds from descriptor 3 on.
func listenVars(list []*sockets.Socket) []string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.Name
	}
	return []string{"LISTEN_FDS=" + strconv.Itoa(len(list)), "LISTEN_FDNAMES=" + strings.Join(names, ":")}
}
