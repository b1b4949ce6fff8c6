package master

import (
	"context"
	"os/exec"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/plainhttp"
	"github.com/emperor-go/emperor/pkg/config"
)

const (
	// probeFirst and probeMax bound the pause between two tries.
	probeFirst = 20 * time.Millisecond
	probeMax   = time.Second
	// probeTry bounds one try.
	probeTry = 5 * time.Second
)

// Probe implements System.
func (*Processes) Probe(ctx context.Context, p *Plan) error {
	for pause := probeFirst; ; pause = min(2*pause, probeMax) {
		if try(ctx, p.Ready.Probe, p.Env) == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func try(ctx context.Context, p config.Probe, env []string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTry)
	defer cancel()
	if p.Kind == "exec" {
		return tryCommand(ctx, p.Command, env)
	}
	conn, err := address.Dial(ctx, p.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if p.Kind == "tcp" {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	return plainhttp.Get(conn, p.Address, p.Path)
}

// tryCommand runs in a group of its own, which is killed when time is up.
func tryCommand(ctx context.Context, words, env []string) error {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append([]string{}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.Run()
}
