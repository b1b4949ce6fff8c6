package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// patience is how long a program may take that prints a configuration. Its monitor
// waits for it, nobody else does.
const patience = 10 * time.Second

// outputOf executes the file that a descriptor is open on and returns what it
// prints. It must belong to somebody who may do that anyway.
func outputOf(fd int, name string, owner uint32) ([]byte, error) {
	if owner != 0 && int(owner) != os.Geteuid() {
		return nil, fmt.Errorf("may be executed, but belongs to uid %d: its output would be the emperor's word", owner)
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(own), name)
	defer file.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/fd/3") // a script is opened there once more
	cmd.Args, cmd.ExtraFiles = []string{name}, []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
	var text, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &bounded{&text, MaxConfig + 1}, &bounded{&complaint, 256}
	err = namespaces.Run(cmd)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("did not end within %v", patience)
	case err != nil:
		return nil, fmt.Errorf("cannot be executed: %w: %s", err, strings.TrimSpace(complaint.String()))
	case text.Len() > MaxConfig:
		return nil, fmt.Errorf("prints more than %d bytes", MaxConfig)
	case text.Len() == 0:
		return nil, errors.New("prints nothing")
	}
	return text.Bytes(), nil
}

// bounded drops what is more than left bytes.
type bounded struct {
	w    io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	if _, err := b.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}
