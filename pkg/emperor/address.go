package emperor

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

	"github.com/emperor-go/emperor/pkg/emperor/reads"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

const (
	// maxAddress bounds the text that an address is read from, in bytes.
	maxAddress = 4096
	// maxQuote bounds the part of a text that is read for an address and printed.
	maxQuote = 64
	// addressTimeout bounds the command that prints an address.
	addressTimeout = 30 * time.Second
)

// address finds out whether and where a vassal is on demand. owner is the user whose word
// that is: root for the operator's own options, or the owner of the file beside the
// vassal's.
func (s Sockets) address(ctx context.Context, p Plan) (address string, owner uint32, err error) {
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

// beside is the content of a file that stands beside a vassal's, and its owner.
type beside struct {
	text  string
	owner uint32
}

// readBeside reads a small file that stands beside a vassal's: a regular file itself and
// no link to one, that root, this process's user or the owner of the vassal's file owns.
// It opens the path once, and does not wait for a FIFO.
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
	}
	data, err := io.ReadAll(io.LimitReader(f, maxAddress+1))
	switch {
	case err != nil:
		return b, fmt.Errorf("cannot be read: %w", cause(err))
	case len(data) > maxAddress:
		return b, fmt.Errorf("is larger than %d bytes", maxAddress)
	}
	return beside{string(data), st.Uid}, nil
}

// isTenant reports whether the files of a user are not the operator's word: those of root
// and of this process's user are.
func isTenant(uid uint32) bool { return uid != 0 && int(uid) != os.Geteuid() }

// parseAddress takes the space from around an address. No text is no address.
func parseAddress(text string) (string, error) {
	address := strings.TrimSpace(text)
	if strings.ContainsFunc(address, func(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }) {
		return "", fmt.Errorf("holds no address, but %s", quote(address))
	}
	return address, nil
}

// quote is a text for people, with no more than the beginning of a long one.
func quote(text string) string {
	if len(text) > maxQuote {
		return strconv.Quote(text[:maxQuote]) + "…"
	}
	return strconv.Quote(text)
}

// ask runs the command. The name reaches it as an argument, never as a part of
// its text.
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

// firstBytes takes everything, and keeps the first left bytes.
type firstBytes struct {
	kept *bytes.Buffer
	left int
}

func (f *firstBytes) Write(p []byte) (int, error) {
	n := min(len(p), f.left)
	f.left -= n
	f.kept.Write(p[:n])
	return len(p), nil
}
