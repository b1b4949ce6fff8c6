package namespaces

import (
	"fmt"
	"runtime"

	"github.com/vishvananda/netns"
)

// NetnsOpener opens netlink sockets in other network namespaces. One thread of its own enters
// them, and does nothing else.
type NetnsOpener struct {
	home     netns.NsHandle
	requests chan netnsRequest
}

// netnsRequest is a call in a network namespace.
type netnsRequest struct {
	ns     netns.NsHandle
	open   func() error
	answer chan error
}

// NewNetnsOpener starts its thread. The caller closes the opener.
func NewNetnsOpener() (*NetnsOpener, error) {
	home, err := CurrentNetwork()
	if err != nil {
		return nil, err
	}
	o := &NetnsOpener{home, make(chan netnsRequest)}
	go o.run()
	return o, nil
}

// Close ends the thread. It is called once, after the last Open has returned.
func (o *NetnsOpener) Close() { close(o.requests) }

// Open opens a socket in a network namespace. The caller closes it. The handle stays the caller's,
// who may close it when Open has returned.
func (o *NetnsOpener) Open(ns netns.NsHandle) (n *Netlink, err error) {
	err = o.within(ns, func() (err error) { n, err = OpenNetlink(); return err })
	return n, err
}

// within lets the thread call open in a network namespace.
func (o *NetnsOpener) within(ns netns.NsHandle, open func() error) error {
	answer := make(chan error, 1)
	o.requests <- netnsRequest{ns, open, answer}
	return <-answer
}

func (o *NetnsOpener) run() {
	defer o.home.Close()
	runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
	for r := range o.requests {
		if err := netns.Set(r.ns); err != nil {
			r.answer <- fmt.Errorf("cannot enter a network namespace: %w", err)
			continue
		}
		err := r.open()
		// A thread that stayed there would keep the namespace after its processes. If it cannot
		// leave, it does so with the next request: it opens sockets only after it has entered.
		_ = netns.Set(o.home)
		r.answer <- err
	}
}
