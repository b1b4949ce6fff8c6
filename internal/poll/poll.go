// Package poll waits for very many descriptors. One goroutine waits for all descriptors of a
// Set, so that an idle descriptor costs no stack and no buffer.
package poll

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Results of the function of a Watch that mean that its descriptor is not to be watched again. After Over the Set
// also closes the file, if it can be closed.
const (
	Never time.Duration = -1
	Over  time.Duration = -2
)

// refused is the pause before the kernel is asked again when it had no room for a descriptor.
const refused = time.Second

// Set is an epoll(7) instance with its goroutine. It keeps no order between descriptors, but
// handles each ready descriptor once before it handles any a second time.
type Set struct {
	epoll *os.File // in the runtime's poller itself: waiting takes no thread
	done  chan struct{}

	mu      sync.Mutex
	watches map[int32]*Watch // by descriptor
}

// New starts the goroutine. The caller closes the Set.
func New() (*Set, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // before NewFile: puts it into the poller
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	s := &Set{epoll: os.NewFile(uintptr(fd), "epoll"), done: make(chan struct{}), watches: map[int32]*Watch{}}
	go s.run()
	return s, nil
}

// Close ends the goroutine and returns when no function of a Watch runs any more.
func (s *Set) Close() {
	s.epoll.Close()
	<-s.done
}

// Watch is one descriptor of a Set.
type Watch struct {
	set   *Set
	file  syscall.Conn
	ready func() time.Duration

	mu      sync.Mutex // held while ready runs
	fd      int32
	stopped bool
}

// Watch calls ready in the goroutine of the Set when f can be read without blocking, or has
// ended; occasionally it calls ready without either. ready must not block, nor call methods of
// the Watch. Its result is how long f is then left alone: zero for no pause, Never or Over for good. f
// must stay open until the Watch is stopped, or ends by Over.
func (s *Set) Watch(f syscall.Conn, ready func() time.Duration) *Watch {
	w := &Watch{set: s, file: f, ready: ready, stopped: true}
	raw, err := f.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { w.fd, w.stopped = int32(fd), false })
	}
	if err != nil {
		return w // it is closed
	}
	s.mu.Lock()
	s.watches[w.fd] = w
	s.mu.Unlock()
	w.listen()
	return w
}

// Stop ends the watch. When it has returned, ready does not run any more.
func (w *Watch) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end()
}

// Renew calls swap, unless the watch is stopped, while ready does not run. When swap returns
// true, it has put another file in the place of the descriptor, and the Set watches that from
// then on.
func (w *Watch) Renew(swap func() (swapped bool)) {
	w.mu.Lock()
	swapped := !w.stopped && swap()
	w.mu.Unlock()
	if swapped {
		w.listen() // the kernel has forgotten the closed file
	}
}

func (w *Watch) end() {
	if w.stopped {
		return
	}
	w.stopped = true
	w.set.forget(w)
	_ = w.control(unix.EPOLL_CTL_DEL)
}

func (s *Set) forget(w *Watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watches, w.fd)
}

func (w *Watch) listen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	if err := w.control(unix.EPOLL_CTL_ADD); errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.ENOSPC) {
		time.AfterFunc(refused, w.listen)
	}
}

func (w *Watch) control(how int) error {
	raw, err := w.set.epoll.SyscallConn()
	if err != nil {
		return err
	}
	control := raw.Control(func(epoll uintptr) {
		err = unix.EpollCtl(int(epoll), how, int(w.fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: w.fd})
	})
	return errors.Join(control, err)
}

// turn gives the owner of a descriptor a chance to read it.
func (w *Watch) turn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	switch rest := w.ready(); {
	case rest < 0:
		w.end() // before its number can belong to another file
		if c, ok := w.file.(io.Closer); ok && rest == Over {
			_ = c.Close()
		}
	case rest > 0:
		// Out of the Set, because the kernel would report its end repeatedly.
		_ = w.control(unix.EPOLL_CTL_DEL)
		time.AfterFunc(rest, w.listen)
	}
}

func (s *Set) run() {
	defer close(s.done)
	raw, err := s.epoll.SyscallConn()
	events := make([]unix.EpollEvent, 64)
	for err == nil {
		n := 0
		err = raw.Read(func(fd uintptr) bool {
			n, _ = unix.EpollWait(int(fd), events, 0)
			return n != 0
		})
		for _, e := range events[:max(n, 0)] {
			s.mu.Lock()
			w := s.watches[e.Fd]
			s.mu.Unlock()
			if w != nil {
				w.turn()
			}
		}
	}
}
