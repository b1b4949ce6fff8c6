package hooks

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/termlog"
)

const (
	// maxOutput is how much of one hook's output is logged, in bytes. What a
	// hook prints beyond it is read, so that it does not block, and counted.
	maxOutput = 1 << 20
	// lastWords is how long the output is read after the hook has ended while a
	// process that it left behind still holds it open.
	lastWords = 50 * time.Millisecond
)

// shell is a command line for /bin/sh -c, as uWSGI runs exec hooks.
type shell string

// run executes the line in a process group of its own with /dev/null as
// standard input. When ctx ends, the whole group is killed. A process that the
// hook left running in the background is none of its business any more: run
// returns when the shell does, and that process finds its output closed.
func (s shell) run(ctx context.Context, env Environment, output func(string)) error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot make a pipe: %w", err)
	}
	defer read.Close()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", string(s))
	cmd.Env = append([]string{}, env.Vars...) // never nil: nil would mean our own
	cmd.Dir = env.Dir
	cmd.Stdout, cmd.Stderr = write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err = cmd.Start()
	write.Close()
	if err != nil {
		return fmt.Errorf("cannot start: %w", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		termlog.Lines(read, maxOutput, output)
	}()
	err = cmd.Wait()
	// The deadline only matters for a pipe that somebody else keeps open.
	_ = read.SetReadDeadline(time.Now().Add(lastWords))
	<-done
	return err
}
