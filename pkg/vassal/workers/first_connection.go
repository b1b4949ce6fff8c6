package workers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// AwaitConnection implements System. It polls the sockets and accepts nothing: the connection
// stays in the queue for a worker. A client of the terminal counts as a connection. Attached
// clients are disconnected, because the terminal has no output.
func (p *Processes) AwaitConnection(ctx context.Context, plan *Plan, post func(Event)) error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("cannot wait for connections: %w", err)
	}
	// The runtime's poller can wait for an epoll descriptor.
	_ = unix.SetNonblock(fd, true)
	queue := os.NewFile(uintptr(fd), "connections")
	list := plan.AllSockets()
	if plan.Terminal != nil {
		list = append(list, plan.Terminal.Socket)
	}
	if p.sharing != nil {
		p.sharing.end()
		p.sharing = nil
	}
	for _, s := range list {
		interest := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.FD())}
		if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, int(s.FD()), &interest); err != nil {
			queue.Close()
			return fmt.Errorf("cannot wait for connections on %s %q: %w", s.Name, s.Address, err)
		}
	}
	raw, err := queue.SyscallConn()
	if err != nil {
		queue.Close()
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = queue.SetReadDeadline(time.Unix(1, 0)) })
	go func() {
		defer queue.Close()
		defer stop()
		err := raw.Read(func(fd uintptr) bool {
			n, err := unix.EpollWait(int(fd), make([]unix.EpollEvent, 1), 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
		if err == nil && ctx.Err() == nil {
			post(connected{})
		}
	}()
	return nil
}
