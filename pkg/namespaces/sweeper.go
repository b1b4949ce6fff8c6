package namespaces

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// DyingGroup is the group of the interfaces that are about to be deleted. Every emperor of a
// network namespace uses the same group: any emperor that deletes the group deletes only such
// interfaces.
const DyingGroup = 0x65000001

// Sweeper deletes interfaces of the network namespace of its process. The kernel needs about
// as long to delete a thousand interfaces at once as a few one by one, and blocks other
// changes of the network during that time. The Sweeper therefore deletes all waiting
// interfaces in one sweep. A nil Sweeper deletes at once.
type Sweeper struct {
	requests chan sweepRequest
	open     func() (*rtnl, error) // tests inject failures
}

type sweepRequest struct {
	links []Peer
	done  chan error
}

// NewSweeper starts its goroutine.
func NewSweeper() *Sweeper {
	s := &Sweeper{make(chan sweepRequest), openRtnl}
	go s.run()
	return s
}

// Close ends the goroutine. It is called once, after the last Delete has returned.
func (s *Sweeper) Close() { close(s.requests) }

// Delete removes interfaces and returns when the kernel has confirmed that they are gone and
// their names free. A missing interface is no error. It may be called from many goroutines at
// the same time, and blocks during a sweep of others.
func (s *Sweeper) Delete(links []Peer) error {
	if len(links) == 0 {
		return nil
	}
	if s == nil {
		return errors.Join(sweep(openRtnl, links)...)
	}
	r := sweepRequest{links, make(chan error, 1)}
	s.requests <- r
	return <-r.done
}

func (s *Sweeper) run() {
	for first := range s.requests {
		batch := []sweepRequest{first}
		for waiting := true; waiting; {
			select {
			case r, ok := <-s.requests:
				if waiting = ok; ok {
					batch = append(batch, r)
				}
			default:
				waiting = false
			}
		}
		var links []Peer
		for _, r := range batch {
			links = append(links, r.links...)
		}
		failed := sweep(s.open, links)
		for _, r := range batch {
			n := len(r.links)
			r.done <- errors.Join(failed[:n]...)
			failed = failed[n:]
		}
	}
}

// sweep deletes interfaces and returns the error of each.
func sweep(open func() (*rtnl, error), links []Peer) []error {
	failed := make([]error, len(links))
	fail := func(i int, err error) {
		if err != nil && !errors.Is(err, unix.ENODEV) {
			failed[i] = fmt.Errorf("cannot delete link %q: %w", links[i].Name, err)
		}
	}
	answers, err := deleteAll(open, links)
	if err != nil { // the answers are unknown, after ENOBUFS for example: a link that is gone is no error
		answers, err = deleteAll(open, links)
	}
	for i := range links {
		if err != nil {
			fail(i, err)
		} else {
			fail(i, answers[i])
		}
	}
	return failed
}

// deleteAll moves interfaces to the dying group and deletes the group. When the group cannot
// be deleted, because it contains an interface of another process, deleteAll deletes each
// interface by itself.
func deleteAll(open func() (*rtnl, error), links []Peer) ([]error, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	defer r.close()
	requests := make([]*nl.NetlinkRequest, len(links), len(links)+1)
	for i, l := range links {
		requests[i] = setGroup(l.Index, DyingGroup)
	}
	answers, err := r.do(append(requests, deleteGroup(DyingGroup)))
	if err != nil {
		return nil, err
	}
	swept := answers[len(links)]
	if swept == nil || errors.Is(swept, unix.ENODEV) {
		return answers[:len(links)], nil
	}
	for i, l := range links {
		requests[i] = deleteLink(l.Index)
	}
	return r.do(requests)
}
