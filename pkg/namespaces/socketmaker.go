package namespaces

import (
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// SocketMaker makes unix sockets without an address, all in one network namespace of their own. A socket keeps
// the namespace in which it was made, and a path leads to a socket from every network. A vassal that binds
// such a socket to a path, and the next process of that vassal, do not keep each other's networks. One thread
// of its own is in that namespace, and does nothing else.
type SocketMaker struct {
	requests chan madeRequest
	home     atomic.Uint64
}

type madeRequest struct {
	count  int
	answer chan madeSockets
}

type madeSockets struct {
	list Sockets
	err  error
}

// NewSocketMaker starts its thread. The namespace is made with the first socket. The caller closes it.
func NewSocketMaker() *SocketMaker {
	m := &SocketMaker{requests: make(chan madeRequest)}
	go m.run()
	return m
}

// Close ends the thread. It is called once, after the last Make has returned.
func (m *SocketMaker) Close() { close(m.requests) }

// Make returns that many stream sockets, which block and are close-on-exec. The caller closes them. It needs
// the right to make network namespaces.
func (m *SocketMaker) Make(count int) (Sockets, error) {
	r := madeRequest{count, make(chan madeSockets, 1)}
	m.requests <- r
	made := <-r.answer
	return made.list, made.err
}

// Home returns the cookie of the sockets' network namespace (SO_NETNS_COOKIE of socket(7), Linux 5.14); zero: no
// socket was made yet, or the kernel has no cookies.
func (m *SocketMaker) Home() uint64 { return m.home.Load() }

func (m *SocketMaker) run() {
	runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
	apart := false
	for r := range m.requests {
		if !apart {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				r.answer <- madeSockets{err: os.NewSyscallError("unshare", err)}
				continue
			}
			apart = true
		}
		list, err := unboundSockets(r.count)
		if len(list) > 0 {
			if cookie, err := unix.GetsockoptUint64(list[0], unix.SOL_SOCKET, unix.SO_NETNS_COOKIE); err == nil {
				m.home.Store(cookie)
			}
		}
		r.answer <- madeSockets{list, err}
	}
}

func unboundSockets(count int) (list Sockets, err error) {
	for range count {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			list.Close()
			return nil, os.NewSyscallError("socket", err)
		}
		list = append(list, fd)
	}
	return list, nil
}
