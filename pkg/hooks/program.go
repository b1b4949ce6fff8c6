package hooks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/cause"
	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// maxOutput limits the logged output of one hook, in bytes as termlog.Lines counts them.
	// Output beyond it is read, so that the hook does not block, and only counted.
	maxOutput = 1 << 20
	// outputWait limits how long output is read after the hook's end while a process that the hook
	// left behind keeps the pipe open.
	outputWait = 50 * time.Millisecond
)

// running is a program of a hook.
type running struct {
	cmd     *exec.Cmd
	process *namespaces.Process
	kept    *programCgroup
	read    *os.File      // its output
	done    chan struct{} // closed at the end of its output
}

// start is execute with a separate argv[0], and descriptors from 3 up. It also returns when a
// program that was killed does not end within namespaces.Unkillable.
func (s *scene) start(ctx context.Context, program string, argv []string, files []*os.File) error {
	read, write, err := namespaces.PipeByName(namespaces.WrittenByName)
	if err != nil {
		return err
	}
	defer write.Close()
	cmd := exec.CommandContext(ctx, program)
	cmd.Args = argv
	cmd.Env = append([]string{}, s.Vars...) // never nil: nil would mean the environment of this process
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = write, write
	cmd.ExtraFiles = files
	// The emperor may have the operator's terminal; a program that opens the terminal could
	// insert input (TIOCSTI of ioctl_tty(2)). A vassal already has a session of its own.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: !s.own && !s.joined, Setpgid: s.own && !s.joined}
	kept, err := s.useCgroup(cmd)
	if err != nil {
		return errors.Join(err, read.Close())
	}
	cmd.Cancel = func() error {
		kept.kill()
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	p, err := namespaces.Start(cmd)
	write.Close()
	if err != nil {
		read.Close()
		s.clear(kept, false)
		return fmt.Errorf("cannot start %q: %w", argv[0], s.explain(program, cause.Of(err)))
	}
	r := &running{cmd: cmd, process: p, kept: kept, read: read, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		termlog.Lines(read, maxOutput, s.output)
	}()
	if _, err := p.DiedAfter(ctx, namespaces.Unkillable); errors.Is(err, os.ErrDeadlineExceeded) {
		return s.abandon(r)
	}
	return s.reap(r)
}

// reap waits for a program, returns how it has ended, and releases everything of it.
func (s *scene) reap(r *running) error {
	if status, err := r.process.Died(); err != nil || status != (namespaces.ExitStatus{}) {
		_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL) // not reaped yet: the group still belongs to it
	}
	err := r.cmd.Wait()
	r.awaitOutput(outputWait)
	r.read.Close()
	r.process.Close()
	s.clear(r.kept, err == nil)
	return err
}

// awaitOutput returns at the end of the output, or after d when another process keeps the pipe open.
func (r *running) awaitOutput(d time.Duration) {
	_ = r.read.SetReadDeadline(time.Now().Add(d))
	<-r.done
}

// abandon goes on without a program that was killed and does not end. The program is reaped
// when it ends.
func (s *scene) abandon(r *running) error {
	text := "it was killed and does not end"
	for _, p := range namespaces.Stuck(r.process.PID) {
		text += ": " + p.String()
	}
	s.output(text)
	r.awaitOutput(0)
	rest := &scene{output: func(string) {}} // s is of the next hook
	go func() { _ = rest.reap(r) }()
	return errors.New(text)
}

// clear removes the cgroup of a program that has ended.
func (s *scene) clear(kept *programCgroup, success bool) {
	if left := kept.end(success); left != nil {
		s.output(left.Error())
	}
}
