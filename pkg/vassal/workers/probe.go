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
	"github.com/emperor-go/emperor/internal/plainhttp"
	"github.com/emperor-go/emperor/pkg/config"
)

const (
	// probeFirst and probeMax bound the pause between two tries, and probeOthers where
	// another process than a new worker has answered: it is only a matter of luck then.
	probeFirst  = 20 * time.Millisecond
	probeMax    = time.Second
	probeOthers = 100 * time.Millisecond
	// probeTry bounds one try, and otherTime the wait for an answer that does not count.
	probeTry  = 5 * time.Second
	otherTime = time.Second
)

// Question is what a probe asks.
type Question struct {
	Probe config.Probe
	// PID is the worker's, zero where daemons are asked, and Env its environment.
	PID int
	Env []string
	// Own: the built-in server is asked, or stands between the address and the program. It
	// says itself when it is ready, and its descriptors cannot be read. A program behind it
	// must besides accept a connection by the way of Door; nil: there is none.
	Own  bool
	Door *os.File
	// Members returns which processes may answer, as things are then.
	Members func(context.Context) (Members, error)
	// Failed is told why a try has failed.
	Failed func(error)
}

// Members are processes that the master has started, each the first of its tree.
type Members struct {
	// Crew may answer: the workers of the crew that is asked about.
	Crew []int
	// Others may not: workers of other crews, and daemons.
	Others []int
}

// probe asks a worker until it answers, or its time is over.
func (m *master) probe(w *worker) {
	ctx, cancel := context.WithTimeout(context.Background(), w.crew.plan.Ready.Timeout)
	w.probing = cancel
	q := Question{
		Probe: w.crew.plan.Ready.Probe, PID: w.pid, Env: w.crew.plan.Env,
		Members: func(ctx context.Context) (Members, error) { return m.inquire(ctx, w.id) },
		Failed:  func(err error) { m.post(probed{id: w.id, err: err}) },
	}
	q.Own, q.Door = w.crew.plan.behind(w.slot)
	go func() {
		defer cancel()
		if m.System.Probe(ctx, q) == nil {
			m.post(probed{id: w.id})
		}
	}()
}

// membersFor returns the processes of a worker's crew, or for zero the daemons, and all others. An heir
// must answer itself.
func (m *master) membersFor(id uint64) (list Members) {
	asked := m.pool.byID(id)
	for pid, w := range m.pool.living {
		if asked != nil && (w == asked || w.crew == asked.crew && asked != asked.crew.slots[asked.slot].heir && !w.state.leaving()) {
			list.Crew = append(list.Crew, pid)
		} else {
			list.Others = append(list.Others, pid)
		}
	}
	for _, d := range m.daemons.list {
		switch {
		case d.pid == 0:
		case id == 0 && d.state < daemonLeaving:
			list.Crew = append(list.Crew, d.pid)
		default:
			list.Others = append(list.Others, d.pid)
		}
	}
	return list
}

// Probe implements System.
func (*Processes) Probe(ctx context.Context, q Question) error {
	for pause, told := probeFirst, ""; ; pause = min(2*pause, probeMax) {
		err := try(ctx, q)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil && err.Error() != told { // one that is cut off says less than those before
			told = err.Error()
			q.Failed(err)
		}
		if errors.Is(err, errOther) {
			pause = min(pause, probeOthers)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
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
		if err := knockAt(ctx, q); err != nil {
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
	look := &lookout{question: q, conn: conn}
	if q.Probe.Kind == "tcp" {
		return look.forListener(ctx)
	}
	// The last line of the request is kept back until it is known who has the connection:
	// a server that has answered may close it at once.
	var owner error
	err = plainhttp.GetAfter(conn, q.Probe.Address, q.Probe.Path, func() {
		if q.Own {
			return
		}
		if owner = look.forOwner(ctx); owner != nil { // the answer is of no use, but the request is not broken off
			_ = conn.SetDeadline(time.Now().Add(otherTime))
		}
	})
	if owner != nil {
		return owner
	}
	return err
}

// knockAt connects to the program behind the built-in server, without a word.
func knockAt(ctx context.Context, q Question) error {
	conn, err := address.Dial(ctx, heldPrefix+strconv.Itoa(int(q.Door.Fd())))
	if err != nil {
		return fmt.Errorf("cannot connect to the program behind the server: %w", err)
	}
	defer conn.Close()
	return (&lookout{question: q, conn: conn}).forOwner(ctx)
}

// tryCommand runs in a group of its own, which is killed when time is up.
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
