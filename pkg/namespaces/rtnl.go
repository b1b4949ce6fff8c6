package namespaces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

const (
	// rtnlBatch is the number of requests in one message. Their answers, about 800 bytes each,
	// must all fit into the receive buffer of a socket, which has 200 KiB.
	rtnlBatch = 128
	// rtnlTimeout limits the wait for an answer. The kernel answers before the request
	// returns, so it only expires when an answer was lost.
	rtnlTimeout = 10 * time.Second
)

// rtnl is a socket of rtnetlink(7).
type rtnl struct {
	socket *netlinkSocket
	events int // messages that were no answers, between two calls of changed
}

// rtnlError is the kernel's answer to a request that failed, with its explanation when it has
// one (NLMSGERR_ATTR_MSG of netlink(7)).
type rtnlError struct {
	unix.Errno
	why string
}

func (e rtnlError) Error() string {
	if e.why == "" {
		return e.Errno.Error()
	}
	return e.Errno.Error() + ": " + e.why
}

// Unwrap returns the error number.
func (e rtnlError) Unwrap() error { return e.Errno }

// openRtnl opens a socket. The caller closes it.
func openRtnl() (*rtnl, error) {
	socket, err := openNetlinkSocket(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("cannot open rtnetlink: %w", err)
	}
	// Without this option each answer contains a copy of its request.
	_ = socket.set(unix.NETLINK_CAP_ACK, 1)
	_ = socket.set(unix.NETLINK_EXT_ACK, 1)
	return &rtnl{socket: socket}, nil
}

func (r *rtnl) close() { r.socket.close() }

// do sends requests in order and returns the kernel's answer to each: nil means success. The
// kernel continues after a request that fails. An error means that the answers are unknown.
func (r *rtnl) do(requests []*nl.NetlinkRequest) (answers []error, err error) {
	answers = make([]error, len(requests))
	for from := 0; from < len(requests); from += rtnlBatch {
		to := min(from+rtnlBatch, len(requests))
		if err := r.batch(requests[from:to], answers[from:to]); err != nil {
			return nil, fmt.Errorf("cannot talk to rtnetlink: %w", err)
		}
	}
	return answers, nil
}

// batch sends requests in one message and fills in the answers.
func (r *rtnl) batch(requests []*nl.NetlinkRequest, answers []error) error {
	return r.batchEach(requests, answers, func(syscall.NetlinkMessage) {})
}

// batchEach does the same, and calls each for other messages about the requests, whose data is valid during the call.
func (r *rtnl) batchEach(requests []*nl.NetlinkRequest, answers []error, each func(syscall.NetlinkMessage)) error {
	var message []byte
	place := make(map[uint32]int, len(requests))
	for i, request := range requests {
		// The kernel handles requests in order and reports each failure: the answer to the last request means that it has
		// reported all.
		if i == len(requests)-1 {
			request.Flags |= unix.NLM_F_ACK
		}
		message = append(message, request.Serialize()...) // a multiple of 4 bytes
		place[request.Seq] = i
	}
	if err := errors.Join(r.socket.limit(rtnlTimeout), r.socket.send(message)); err != nil {
		return err
	}
	for complete := false; !complete; {
		err := r.socket.receive(func(m syscall.NetlinkMessage) {
			i, asked := place[m.Header.Seq]
			switch {
			case !asked:
				r.events++
			case m.Header.Type != unix.NLMSG_ERROR:
				each(m)
			case len(m.Data) >= 4:
				if errno := int32(binary.NativeEndian.Uint32(m.Data)); errno != 0 {
					answers[i] = rtnlError{unix.Errno(-errno), explanation(m)}
				}
				complete = complete || i == len(requests)-1
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// watch lets the socket receive the events of a group, which other requests on it ignore.
func (r *rtnl) watch(group int) error { return r.socket.set(unix.NETLINK_ADD_MEMBERSHIP, group) }

// changed returns when an event has come since its last call, or since watch.
func (r *rtnl) changed() error {
	if err := r.socket.limit(rtnlTimeout); err != nil {
		return err
	}
	for r.events == 0 {
		err := r.socket.receive(func(syscall.NetlinkMessage) { r.events++ })
		switch {
		case errors.Is(err, unix.ENOBUFS): // events were lost
			r.events++
		case err != nil:
			return err
		}
	}
	r.events = 0
	return nil
}

// explanation returns the kernel's words about a request that failed. They follow the error
// number and the header of the request.
func explanation(m syscall.NetlinkMessage) string {
	const fixed = 4 + unix.SizeofNlMsghdr
	if m.Header.Flags&unix.NLM_F_ACK_TLVS == 0 || len(m.Data) < fixed {
		return ""
	}
	for _, a := range attributesOf(m.Data[fixed:]) {
		if a.kind == unix.NLMSGERR_ATTR_MSG {
			return unix.ByteSliceToString(a.value)
		}
	}
	return ""
}

// attribute is one attribute of a netlink message.
type attribute struct {
	kind  uint16
	value []byte
}

// attributesOf parses attributes up to the first malformed one.
func attributesOf(b []byte) (list []attribute) {
	for len(b) >= unix.SizeofRtAttr {
		length := int(binary.NativeEndian.Uint16(b))
		kind := binary.NativeEndian.Uint16(b[2:])
		if length < unix.SizeofRtAttr || length > len(b) {
			break
		}
		list = append(list, attribute{kind &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER), b[unix.SizeofRtAttr:length]})
		b = b[min((length+3)&^3, len(b)):]
	}
	return list
}

// setGroup moves an interface to a group of interfaces and changes nothing else (ip-link(8),
// group).
func setGroup(index int, group uint32) *nl.NetlinkRequest {
	request := aboutLink(unix.RTM_SETLINK, index)
	request.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group)))
	return request
}

// deleteLink deletes one interface.
func deleteLink(index int) *nl.NetlinkRequest { return aboutLink(unix.RTM_DELLINK, index) }

// deleteGroup deletes every interface of a group. An empty group is ENODEV.
func deleteGroup(group uint32) *nl.NetlinkRequest {
	request := aboutLink(unix.RTM_DELLINK, 0)
	request.AddData(nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group)))
	return request
}

func aboutLink(kind, index int) *nl.NetlinkRequest {
	request := nl.NewNetlinkRequest(kind, 0)
	about := nl.NewIfInfomsg(unix.AF_UNSPEC)
	about.Index = int32(index)
	request.AddData(about)
	return request
}
