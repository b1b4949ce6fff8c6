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

// execTimeout is how long a program that prints a configuration may take.
const execTimeout = 10 * time.Second

// execute runs an executable file for its output, outside the loop and concurrently, and then
// takes the output in.
func (f *files) execute(e *entry, c Config, r result) {
	l := &pendingRead{late: func() { f.reportReading(e, c) }}
	f.report.awaited[l] = true
	f.places.running.Go(func() {
		defer r.program.Close()
		select {
		case f.places.programs <- struct{}{}:
		case <-f.ctx.Done():
			return
		}
		done := r
		done.program, done.printed = nil, true
		done.data, done.err = outputOf(f.ctx, r.program, r.stat.uid)
		<-f.places.programs
		f.deliver(func() {
			delete(f.report.awaited, l)
			f.takeResult(e, c, done)
		})
	})
}

// outputOf executes an open file and returns its output. The file must belong to root or to
// this process's user, because its output is a configuration.
func outputOf(ctx context.Context, file *os.File, owner uint32) ([]byte, error) {
	if owner != 0 && int(owner) != os.Geteuid() {
		return nil, fmt.Errorf("may be executed, but belongs to uid %d (executable vassal files must belong to root or the emperor's user)", owner)
	}
	ctx, cancel := context.WithTimeout(ctx, execTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/fd/3") // the interpreter opens a script there again
	cmd.Args, cmd.ExtraFiles = []string{file.Name()}, []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second
	var text, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &bounded{&text, MaxConfig + 1}, &bounded{&complaint, 256}
	err := namespaces.Run(cmd)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("did not end within %v", execTimeout)
	case errors.Is(err, exec.ErrWaitDelay):
		return nil, errors.New("has left a process that holds its output open (redirect the output of that process)")
	case err != nil:
		return nil, fmt.Errorf("cannot be executed: %w: %s", err, strings.TrimSpace(complaint.String()))
	case text.Len() > MaxConfig:
		return nil, fmt.Errorf("prints more than %d bytes", MaxConfig)
	case text.Len() == 0:
		return nil, errors.New("prints nothing")
	}
	return text.Bytes(), nil
}

// bounded drops everything beyond left bytes.
type bounded struct {
	w    io.Writer
	left int
}

// Write passes on the bytes up to the limit and accepts the rest, so that the program does not block.
func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	if _, err := b.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}
