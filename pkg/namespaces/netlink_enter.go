package namespaces

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// NetnsOpener opens netlink sockets in other network namespaces. One thread of its own enters
// them, and does nothing else.
type NetnsOpener struct {
	home     *os.File
	requests chan netnsRequest
}

type netnsRequest struct {
	netns  int
	answer chan netnsAnswer
}

type netnsAnswer struct {
	socket *Netlink
	err    error
}

// NewNetnsOpener starts its thread.
func NewNetnsOpener() (*NetnsOpener, error) {
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("cannot open the network namespace: %w", err)
	}
	o := &NetnsOpener{home, make(chan netnsRequest)}
	go o.run()
	return o, nil
}

// Close ends the thread. It is called once, after the last Open has returned.
func (o *NetnsOpener) Close() { close(o.requests) }

// Open opens a socket in the network namespace of a descriptor. The caller closes it.
func (o *NetnsOpener) Open(netns int) (*Netlink, error) {
	answer := make(chan netnsAnswer, 1)
	o.requests <- netnsRequest{netns, answer}
	a := <-answer
	return a.socket, a.err
}

func (o *NetnsOpener) run() {
	defer o.home.Close()
	runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
	for r := range o.requests {
		if err := unix.Setns(r.netns, unix.CLONE_NEWNET); err != nil {
			r.answer <- netnsAnswer{err: fmt.Errorf("cannot enter a network namespace: %w", err)}
			continue
		}
		socket, err := OpenNetlink()
		// A thread that stayed there would keep the namespace after its processes. If it cannot
		// leave, it does so with the next request: it opens sockets only after it has entered.
		_ = unix.Setns(int(o.home.Fd()), unix.CLONE_NEWNET)
		r.answer <- netnsAnswer{socket, err}
	}
}
