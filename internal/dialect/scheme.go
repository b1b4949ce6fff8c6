package dialect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/uwsgiproto"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// schemes are uWSGI's schemes. The schemes of its own binary are not supported here.
var schemes = []string{"call", "callint", "data", "emperor", "exec", "fd", "http", "section", "sym"}

func isScheme(s string) bool { return slices.Contains(schemes, s) }

// fetchTime limits how long a scheme may take.
const fetchTime = 30 * time.Second

// fetch reads the content of a scheme.
func (a Permissions) fetch(scheme, rest string) ([]byte, error) {
	ctx := a.until()
	switch scheme {
	case "exec":
		return fetchExec(ctx, rest)
	case "fd":
		return fetchFD(rest)
	case "http":
		return a.fetchHTTP(ctx, rest)
	case "emperor":
		return fetchEmperor()
	}
	return nil, fmt.Errorf("cannot read %q: it is part of uWSGI's own binary", scheme+"://"+rest)
}

// fetchExec runs a shell command and returns its standard output. As in uWSGI its exit code
// does not matter.
func fetchExec(until context.Context, command string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(until, fetchTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Cancel = func() error { namespaces.KillTree(cmd.Process.Pid); return nil }
	cmd.WaitDelay = time.Second
	cmd.Stderr = os.Stderr
	var out bytes.Buffer
	cmd.Stdout = &capped{w: &out, left: MaxFile}
	err := namespaces.Run(cmd)
	if until.Err() != nil {
		err = context.Cause(until)
	} else if ctx.Err() != nil {
		err = fmt.Errorf("it took longer than %v", fetchTime)
	} else if _, ok := errors.AsType[*exec.ExitError](err); ok {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot run %q: %w", command, err)
	}
	return out.Bytes(), nil
}

// capped limits the size of an input.
type capped struct {
	w    io.Writer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		return 0, errors.New("the output is larger than 2 MiB")
	}
	return c.w.Write(p)
}

// fetchFD reads an inherited descriptor to its end.
func fetchFD(number string) ([]byte, error) {
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 0 {
		return nil, fmt.Errorf("%q is not a descriptor", number)
	}
	f := os.NewFile(uintptr(fd), "fd://"+number)
	if f == nil {
		return nil, fmt.Errorf("%q is not a descriptor", number)
	}
	defer f.Close()
	return readAll("fd://"+number, f)
}

// fetchHTTP requests host[:port]/path.
func (a Permissions) fetchHTTP(ctx context.Context, url string) (page []byte, err error) {
	err = errNoNetwork
	if a.Means.Fetch != nil {
		page, err = a.Means.Fetch(ctx, url)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot get %q: %w", "http://"+url, err)
	}
	return page, nil
}

// emperorConfigEnv names the descriptor on which uWSGI's Emperor sends a vassal its
// configuration, in one packet of the uwsgi protocol (core/emperor.c).
const emperorConfigEnv = "UWSGI_EMPEROR_FD_CONFIG"

func fetchEmperor() ([]byte, error) {
	fd, err := strconv.Atoi(os.Getenv(emperorConfigEnv))
	if err != nil || fd < 0 {
		return nil, errors.New("cannot read emperor://: no emperor sends a configuration")
	}
	f := os.NewFile(uintptr(fd), "emperor://")
	header, err := uwsgiproto.ReadHeader(f)
	if err != nil {
		return nil, fmt.Errorf("cannot read emperor://: %w", err)
	}
	data, err := header.ReadBody(f)
	if err != nil {
		return nil, fmt.Errorf("cannot read emperor://: %w", err)
	}
	return data, nil
}

// resolve returns the IPv4 address of a name.
func (r *Reader) resolve(name string) (string, error) {
	if !r.allowed(needRun, "resolve") {
		return "", errLeftOut
	}
	if r.permissions.Reading != nil {
		r.permissions.Reading(name)
	}
	if ip, err := (address.Address{Host: name}).IP(); err == nil && ip.Is4() && name != "" && name != "*" { // a number, or in /etc/hosts
		return ip.String(), nil
	}
	if r.permissions.Means.Lookup == nil {
		return "", fmt.Errorf("cannot resolve %q: %w", name, errNoNetwork)
	}
	ctx, cancel := context.WithTimeout(r.permissions.until(), fetchTime)
	defer cancel()
	ips, err := r.permissions.Means.Lookup(ctx, "ip4", name)
	if err == nil && len(ips) == 0 {
		err = errors.New("it has no address of IPv4")
	}
	if err != nil {
		return "", fmt.Errorf("cannot resolve %q: %w", name, err)
	}
	return ips[0].Unmap().String(), nil
}

// errNoNetwork is the error of a reading that has no access to other hosts.
var errNoNetwork = errors.New("this program asks no other host")

// errNoExpressions is the error of a reading that matches no regular expressions.
var errNoExpressions = errors.New("this program matches no expressions")
