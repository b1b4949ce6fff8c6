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

// MissingLinksError says which interfaces did not appear, and which were there.
type MissingLinksError struct{ Missing, Present []string }

func (e *MissingLinksError) Error() string {
	missing := make([]string, len(e.Missing))
	for i, name := range e.Missing {
		missing[i] = strconv.Quote(name)
	}
	present := "none"
	if len(e.Present) > 0 {
		present = strings.Join(e.Present, ", ")
	}
	return fmt.Sprintf("no interface %s (there are: %s)", strings.Join(missing, ", "), present)
}

// WaitForLinks blocks until every named interface exists in the network
// namespace of the calling thread. The kernel tells of each new link by
// rtnetlink(7); nothing is polled, and what happened before the subscription is
// found by a look after it. When ctx ends the error is a *MissingLinksError.
func WaitForLinks(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	news, err := subscribe()
	if err != nil {
		return fmt.Errorf("cannot wait for interfaces: %w", err)
	}
	defer news.Close()
	stop := context.AfterFunc(ctx, func() { news.Close() })
	defer stop()
	return await(ctx, names, news)
}

// await looks at the links now and after each read from news, which fails when
// ctx ends.
func await(ctx context.Context, names []string, news io.Reader) error {
	buffer := make([]byte, 32<<10)
	for {
		present, err := LinkNames()
		if err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(present, n) })
		if len(missing) == 0 {
			return nil
		}
		// Any message is a hint to look again, and so is ENOBUFS, by which the
		// kernel says that it dropped some.
		if _, err := news.Read(buffer); ctx.Err() != nil {
			return &MissingLinksError{Missing: missing, Present: present}
		} else if err != nil && !errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("cannot wait for interfaces: %w", err)
		}
	}
}

// subscribe returns a netlink socket that gets a message for each change of a
// link in the namespace of the calling thread.
func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}
