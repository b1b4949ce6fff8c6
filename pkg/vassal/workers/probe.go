package workers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/backoff"
	"github.com/emperor-go/emperor/internal/plainhttp"
	"github.com/emperor-go/emperor/pkg/config"
)

const (
	// probeFirst and probeMax limit the pause between two attempts. probeOthers is the longest
	// pause after an answer of another process than a new worker, because the process that
	// accepts the next connection is random.
	probeFirst  = 20 * time.Millisecond
	probeMax    = time.Second
	probeOthers = 100 * time.Millisecond
	// probeTry limits one attempt. otherTime limits the wait for an answer that is not used.
	probeTry  = 5 * time.Second
	otherTime = time.Second
)

// Question describes a probe.
type Question struct {
	Probe config.Probe
	// PID is the worker; zero: daemons are probed. Env is its environment.
	PID int
	Env []string
	// Own: the built-in server answers, or is between the address and the program. It reports its
	// readiness itself, and its descriptors cannot be read. The program behind it must also
	// accept a connection through Door; nil: there is no such program.
	Own  bool
	Door *os.File
	// Members returns the processes that may answer now, and the others.
	Members func(context.Context) (Members, error)
	// Failed is called with the error of an attempt, when it differs from the previous one.
	Failed func(error)
}

// Members are processes that the master has started. Each is the root of a process tree.
type Members struct {
	// Crew are the workers of the probed crew, which may answer.
	Crew []int
	// Others are workers of other crews, and daemons, which may not.
	Others []int
}

// members returns the processes of a worker's crew, or for id zero the daemons, and all others.
func (s *service) members(id uint64) Members {
	list := s.crews.members(id)
	for _, d := range s.daemons.list {
		switch {
		case d.pid == 0:
		case id == 0 && !d.state.ending():
			list.Crew = append(list.Crew, d.pid)
		default:
			list.Others = append(list.Others, d.pid)
		}
	}
	return list
}

// Probe implements System.
func (*Processes) Probe(ctx context.Context, q Question) error {
	pauses := backoff.Pauses{First: probeFirst, Longest: probeMax}
	for reported := ""; ; {
		err := try(ctx, q)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil && err.Error() != reported { // the error of an interrupted attempt would hide the reason
			reported = err.Error()
			q.Failed(err)
		}
		if errors.Is(err, errOther) {
			pauses.Limit(probeOthers)
		}
		if err := pauses.Wait(ctx); err != nil {
			return err
		}
	}
}

func try(ctx context.Context, q Question) error {
	ctx, cancel := context.WithTimeout(ctx, probeTry)
	defer cancel()
	if q.Probe.Kind == "exec" {
		return tryCommand(ctx, q)
	}
	if q.Door != nil {
		if err := connectBehind(ctx, q); err != nil {
			return err
		}
	}
	conn, err := address.Dial(ctx, q.Probe.Address)
	if err != nil {
		return fmt.Errorf("cannot connect to %s: %w", q.Probe.Address, err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	look := &ownerSearch{question: q, conn: conn}
	if q.Probe.Kind == "tcp" {
		return look.forListener(ctx)
	}
	// The last line of the request is sent only after the process that has accepted the
	// connection is known: a server may close the connection as soon as it has answered.
	var owner error
	err = plainhttp.GetAfter(conn, q.Probe.Address, q.Probe.Path, func() {
		if q.Own {
			return
		}
		if owner = look.forOwner(ctx); owner != nil { // ignore the answer, but complete the request
			_ = conn.SetDeadline(time.Now().Add(otherTime))
		}
	})
	if owner != nil {
		return owner
	}
	return err
}

// connectBehind connects to the program behind the built-in server and sends nothing.
func connectBehind(ctx context.Context, q Question) error {
	conn, err := address.Dial(ctx, heldPrefix+strconv.Itoa(int(q.Door.Fd())))
	if err != nil {
		return fmt.Errorf("cannot connect to the program behind the server: %w", err)
	}
	defer conn.Close()
	return (&ownerSearch{question: q, conn: conn}).forOwner(ctx)
}

// tryCommand runs the command in a process group of its own, which is killed at the end of the
// attempt.
func tryCommand(ctx context.Context, q Question) error {
	words := q.Probe.Command
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append([]string{}, q.Env...)
	if q.PID > 0 {
		cmd.Env = append(cmd.Env, "MAINPID="+strconv.Itoa(q.PID))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", words[0], err)
	}
	return nil
}
