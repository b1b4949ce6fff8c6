package hooks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// maxWait limits the wait of a hook when no other limit applies, as in uWSGI.
	maxWait = 60 * time.Second
	// waitStep is the polling interval.
	waitStep = 25 * time.Millisecond
)

// until calls ready repeatedly until it returns true. When the time is over, its error
// contains what, the subject of the wait.
func until(ctx context.Context, what string, ready func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	tick := time.NewTicker(waitStep)
	defer tick.Stop()
	for {
		if ok, err := ready(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
	}
}

func isThere(path string) bool { _, err := os.Stat(path); return err == nil }

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// parseWait parses waits for events of the kernel. Only sockets are polled.
func parseWait(arg string, wait func(ctx context.Context, s *scene, path string) error) (action, error) {
	if arg == "" {
		return nil, mistake("", "nothing to wait for is given")
	}
	return func(ctx context.Context, s *scene) error {
		ctx, cancel := context.WithTimeout(ctx, maxWait)
		defer cancel()
		what := arg
		if address.InFiles(arg) {
			what = s.path(arg)
		}
		err := wait(ctx, s, what)
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for %q: %w", arg, context.Cause(ctx))
		}
		return err
	}, nil
}

func parseWaitDir(dir string) (action, error)         { return parseWaitPath(dir, isDir) }
func parseWaitFile(file string) (action, error)       { return parseWaitPath(file, isFile) }
func parseWaitFilesystem(path string) (action, error) { return parseWaitPath(path, isThere) }
func parseWaitMount(dir string) (action, error)       { return parseWait(dir, waitMount) }
func parseWaitSocket(at string) (action, error)       { return parseWait(at, waitSocket) }

func parseWaitPath(path string, there func(string) bool) (action, error) {
	return parseWait(path, func(ctx context.Context, _ *scene, path string) error {
		return namespaces.WaitForPath(ctx, path, func() bool { return there(path) })
	})
}

func waitMount(ctx context.Context, _ *scene, dir string) error {
	return namespaces.WaitForMount(ctx, dir)
}

func parseWriteFifo(args string) (action, error)    { return parseToFifo(args, false) }
func parseSpinningFifo(args string) (action, error) { return parseToFifo(args, true) }

func parseToFifo(args string, patient bool) (action, error) {
	file, text, err := two(args, "FILE TEXT")
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, s *scene) error {
		if !patient {
			err := put(s.path(file), os.O_WRONLY|unix.O_NONBLOCK, text)
			if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) {
				return nil // the FIFO has no reader
			}
			return err
		}
		return until(ctx, fmt.Sprintf("no process reads %q", file), func() (bool, error) {
			err := put(s.path(file), os.O_WRONLY|unix.O_NONBLOCK, text)
			if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOENT) {
				return false, nil
			}
			return true, err
		})
	}, nil
}

func parseSleep(arg string) (action, error) {
	d, err := time.ParseDuration(arg)
	if seconds, plain := strconv.ParseFloat(arg, 64); plain == nil {
		d, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil || d < 0 {
		return nil, mistake("seconds, or such as 200ms", "%q is not a time", arg)
	}
	return func(ctx context.Context, _ *scene) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}, nil
}

// parseSignal parses PID|NAME SIGNAL. A name is a process name as ps shows it: at most 15
// bytes.
func parseSignal(args string) (action, error) {
	who, name, err := two(args, "PID|NAME SIGNAL")
	if err != nil {
		return nil, err
	}
	sig, ok := namespaces.ParseSignal(strings.TrimSpace(name))
	if !ok {
		return nil, mistake("such as HUP", "unknown signal %q", name)
	}
	if pid, err := strconv.Atoi(who); err == nil {
		if pid < 1 {
			return nil, mistake("", "%q is not a process", who)
		}
		return func(context.Context, *scene) error { return os.NewSyscallError("kill", syscall.Kill(pid, sig)) }, nil
	}
	return func(context.Context, *scene) error { return signalAll(who, sig) }, nil
}

// signalAll signals every process with that name except this one.
func signalAll(name string, sig syscall.Signal) error {
	files, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return err
	}
	found := false
	for _, file := range files {
		text, err := os.ReadFile(file)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil || strings.TrimSuffix(string(text), "\n") != name || pid == os.Getpid() {
			continue
		}
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return os.NewSyscallError("kill", err)
		}
		found = true
	}
	if !found {
		return fmt.Errorf("no process has the name %q", name)
	}
	return nil
}
