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

// MissingLinksError lists the interfaces that did not reach the requested state, and the
// existing interfaces.
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
	return fmt.Sprintf("no interface %s (existing: %s)", strings.Join(missing, ", "), present)
}

// WaitForLinks blocks until each interface in the network namespace of the calling thread has
// reached its requested state. The kernel reports each change of a link or address by
// rtnetlink(7). WaitForLinks does not poll; a dump after the subscription finds earlier
// changes. (The kernel announces an additional name of a link that is down only when the link
// comes up.) report is called with the missing interfaces, again after each change. Nil: no
// call. When ctx ends the error is a *MissingLinksError.
func WaitForLinks(ctx context.Context, links []LinkWait, report func(missing []LinkWait)) error {
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
	return await(ctx, links, news, report)
}

// await lists the links now and after each read from news, which fails when ctx ends.
func await(ctx context.Context, links []LinkWait, news io.Reader, report func(missing []LinkWait)) error {
	var missing []LinkWait
	var present []*seenLink
	err := onNews(ctx, news, func() (_ bool, err error) {
		if present, err = seeLinks(); err != nil {
			return false, err
		}
		missing = slices.DeleteFunc(slices.Clone(links), func(w LinkWait) bool {
			return slices.ContainsFunc(present, func(l *seenLink) bool { return l.meets(w) })
		})
		if len(missing) > 0 && report != nil {
			report(missing)
		}
		return len(missing) == 0, nil
	})
	if ctx.Err() != nil && len(missing) > 0 {
		e := &MissingLinksError{Missing: missing}
		for _, l := range present {
			e.Present = append(e.Present, l.String())
		}
		return e
	}
	if err != nil {
		return fmt.Errorf("cannot wait for interfaces: %w", err)
	}
	return nil
}

// onNews calls look now and after each read from news, which fails when ctx ends, until look
// returns true.
func onNews(ctx context.Context, news io.Reader, look func() (enough bool, err error)) error {
	buffer := make([]byte, 32<<10)
	for {
		if enough, err := look(); enough || err != nil {
			return err
		}
		// Any message is a hint to look again, and so is ENOBUFS, by which the kernel reports
		// dropped messages.
		if _, err := news.Read(buffer); ctx.Err() != nil {
			return context.Cause(ctx)
		} else if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
	}
}

// subscribe returns a netlink socket that receives a message for each change of a link or
// address in the namespace of the calling thread.
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{
		Family: unix.AF_NETLINK,
		Groups: unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR,
	}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}
