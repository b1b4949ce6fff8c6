package ondemand

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/cause"
	"github.com/emperor-go/emperor/internal/reads"
	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// maxAddress limits the text that contains an address, in bytes.
	maxAddress = 4096
	// addressTimeout limits the command that prints an address.
	addressTimeout = 30 * time.Second
)

// address returns whether and where a vassal is on demand. owner is the user who chose the
// address: root for the operator's own options, or the owner of the file beside the vassal's.
func (s Sockets) address(ctx context.Context, p emperor.Plan) (address string, owner uint32, err error) {
	if s.Extension != "" {
		path := p.Path + s.Extension
		var read beside
		read, err = reads.Get(ctx, s.Reads, path, func() (beside, error) { return readBeside(path, p.UID) })
		if owner = read.owner; err == nil {
			address, err = parseAddress(read.text)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", 0, fmt.Errorf("cannot find the address of its socket: %q %w", filepath.Base(p.Path)+s.Extension, err)
		}
		if address != "" {
			return address, owner, nil
		}
	}
	if s.Directory != "" {
		name := filepath.Base(p.Name)
		return filepath.Join(s.Directory, strings.TrimSuffix(name, filepath.Ext(name))+".socket"), 0, nil
	}
	if s.Exec == "" {
		return "", 0, nil
	}
	line, err := s.ask(ctx, p.Name)
	if err == nil {
		address, err = parseAddress(line)
	}
	if err != nil {
		return "", 0, fmt.Errorf("cannot find the address of its socket: %s: %w", s.Exec, err)
	}
	return address, 0, nil
}

// beside is the content of a file beside a vassal's, and its owner.
type beside struct {
	text  string
	owner uint32
}

// readBeside reads a small file beside a vassal's: a regular file, not a link, that root, this
// process's user or the owner of the vassal's file owns. Beside a tenant's file, which the tenant
// may have put there together with another name of a secret file, a file of others has only one
// name. It opens the path once, and does not wait for a FIFO.
func readBeside(path string, vassalOwner uint32) (b beside, err error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ELOOP):
		return b, errors.New("is a symbolic link, and none is followed")
	case err != nil:
		return b, fmt.Errorf("cannot be opened: %w", err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	var st unix.Stat_t
	switch err := unix.Fstat(fd, &st); {
	case err != nil:
		return b, fmt.Errorf("cannot be read: %w", err)
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return b, errors.New("is not a regular file")
	case isTenant(st.Uid) && st.Uid != vassalOwner:
		return b, fmt.Errorf("belongs to uid %d, and the vassal's file to uid %d", st.Uid, vassalOwner)
	case st.Nlink > 1 && isTenant(vassalOwner) && st.Uid != vassalOwner: // protected_hardlinks of proc_sys_fs(5) may be off
		return b, fmt.Errorf("is a file of uid %d with %d names, and uid %d owns the vassal's file", st.Uid, st.Nlink, vassalOwner)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxAddress+1))
	switch {
	case err != nil:
		return b, fmt.Errorf("cannot be read: %w", cause.Of(err))
	case len(data) > maxAddress:
		return b, fmt.Errorf("is larger than %d bytes", maxAddress)
	}
	return beside{string(data), st.Uid}, nil
}

// isTenant reports whether a user is a tenant: neither root nor this process's user.
func isTenant(uid uint32) bool { return uid != 0 && int(uid) != os.Geteuid() }

// parseAddress trims the space around an address. An empty text is an error.
func parseAddress(text string) (string, error) {
	found := strings.TrimSpace(text)
	if strings.ContainsFunc(found, func(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }) {
		return "", fmt.Errorf("contains no address, but %s", address.Quote(found))
	}
	return found, nil
}

// ask runs the command. The name is an argument, never a part of the command's text.
func (s Sockets) ask(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, addressTimeout)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", s.Exec+` "$1"`, "sh", name)
	cmd.Stdout = &firstBytes{&out, maxAddress}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	if err := namespaces.Run(cmd); err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(out.String(), "\n")
	return line, nil
}

// firstBytes reads everything, and keeps the first left bytes.
type firstBytes struct {
	kept *bytes.Buffer
	left int
}

// Write keeps the bytes up to the limit and accepts the rest.
func (f *firstBytes) Write(p []byte) (int, error) {
	n := min(len(p), f.left)
	f.left -= n
	f.kept.Write(p[:n])
	return len(p), nil
}
