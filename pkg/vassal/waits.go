package vassal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/backoff"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// knockFirst and knockMax limit the pause between two attempts to connect to a TCP socket,
	// whose appearance no event reports.
	knockFirst = 10 * time.Millisecond
	knockMax   = time.Second
)

// await returns a step that waits for the objects in the options.
func (p *progress) await(list func(config.Waits) []config.Wait) optionStep {
	return func(ctx context.Context, o *config.Vassal) error {
		for _, w := range list(o.Waits) {
			p.waiting(w)
			if err := awaitOne(ctx, w, o.Waits.Timeout(w.Kind)); err != nil {
				return o.Blame("wait-for-"+w.Kind, w.Name, err)
			}
		}
		return nil
	}
}

// pathsOf returns the paths that a vassal waits for before the drop, or late, after it.
func pathsOf(late bool) func(config.Waits) []config.Wait {
	return func(w config.Waits) (list []config.Wait) {
		for _, one := range w.Paths {
			if one.Late == late {
				list = append(list, one)
			}
		}
		return list
	}
}

// awaitInterfaces waits for the interfaces in the options.
func (p *progress) awaitInterfaces(ctx context.Context, o *config.Vassal) error {
	names, timeout := o.WaitForInterface, o.WaitForInterfaceTimeout
	if len(names) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err := namespaces.WaitForLinks(ctx, names, p.missing)
	if _, missing := errors.AsType[*namespaces.MissingLinksError](err); missing {
		return o.Blame("wait-for-interface", "", fmt.Errorf("after %v there is %w", timeout, err))
	}
	return err
}

func awaitOne(ctx context.Context, w config.Wait, timeout time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	switch w.Kind {
	case "mountpoint":
		err = namespaces.WaitForMount(ctx, w.Name)
	case "socket":
		err = awaitSocket(ctx, w.Name)
	default:
		err = namespaces.WaitForPath(ctx, w.Name, func() bool { return isKind(w.Name, w.Kind) })
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("after %v there is no %q", timeout, w.Name)
	}
	return err
}

// isKind reports whether a path has a kind: a file, a directory, or anything.
func isKind(path, kind string) bool {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return false
	case kind == "file":
		return info.Mode().IsRegular()
	case kind == "dir":
		return info.IsDir()
	}
	return true
}

// awaitSocket waits until a process accepts connections. It watches the path of a unix socket;
// after that, and for TCP, it retries connecting.
func awaitSocket(ctx context.Context, text string) error {
	if address.InFiles(text) {
		path := address.Absolute(text)
		if err := namespaces.WaitForPath(ctx, path, func() bool { return isKind(path, "fs") }); err != nil {
			return err
		}
	}
	pauses := backoff.Pauses{First: knockFirst, Longest: knockMax}
	for {
		if up, err := address.Reachable(text); up || err != nil {
			return err
		}
		if err := pauses.Wait(ctx); err != nil {
			return err
		}
	}
}
