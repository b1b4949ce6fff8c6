package namespaces

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MissingLinksError says which interfaces did not come as far as was asked for, and
// which interfaces were there.
type MissingLinksError struct {
	Missing []LinkWait
	Present []string // with their states
}

func (e *MissingLinksError) Error() string {
	missing := make([]string, len(e.Missing))
	for i, w := range e.Missing {
		missing[i] = strconv.Quote(w.String())
	}
	present := "none"
	if len(e.Present) > 0 {
		present = strings.Join(e.Present, ", ")
	}
	return fmt.Sprintf("no interface %s (there are: %s)", strings.Join(missing, ", "), present)
}

// WaitForLinks blocks until each interface in the network namespace of the calling
// thread has come as far as it is waited for. The kernel tells of each change of a
// link or address by rtnetlink(7); nothing is polled, and a change before the
// subscription is found by a dump after it. (A further name of a link that is down is
// announced only when the link comes up.) When ctx ends the error is a
// *MissingLinksError.
func WaitForLinks(ctx context.Context, links []LinkWait) error {
	if len(links) == 0 {
		return nil
	}
	news, err := subscribe()
	if err != nil {
		return fmt.Errorf("cannot wait for interfaces: %w", err)
	}
	defer news.Close()
	stop := context.AfterFunc(ctx, func() { news.Close() })
	defer stop()
	return await(ctx, links, news)
}

// await lists the links now and after each read from news, which fails when ctx ends.
func await(ctx context.Context, links []LinkWait, news io.Reader) error {
	buffer := make([]byte, 32<<10)
	for {
		present, err := seeLinks()
		if err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(links), func(w LinkWait) bool {
			return slices.ContainsFunc(present, func(l *seenLink) bool { return l.meets(w) })
		})
		if len(missing) == 0 {
			return nil
		}
		// Any message is a hint to list them again, and so is ENOBUFS, by which the
		// kernel says that it dropped some.
		if _, err := news.Read(buffer); ctx.Err() != nil {
			e := &MissingLinksError{Missing: missing}
			for _, l := range present {
				e.Present = append(e.Present, l.String())
			}
			return e
		} else if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("cannot wait for interfaces: %w", err)
		}
	}
}

// subscribe returns a netlink socket that gets a message for each change of a link or
// address in the namespace of the calling thread.
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}
