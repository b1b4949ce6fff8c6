package hooks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/nss"
)

// Modes of new files and directories; the umask applies.
const (
	fileMode = 0o666
	dirMode  = 0o777
)

// Flags for opening a file to write. Opening a FIFO does not wait for a reader.
const (
	writing   = os.O_WRONLY | os.O_CREATE | os.O_TRUNC | unix.O_NONBLOCK
	appending = os.O_WRONLY | os.O_CREATE | os.O_APPEND | unix.O_NONBLOCK
)

func mkdir(s *scene, dir string) error { return os.Mkdir(s.path(dir), dirMode) }
func rmdir(s *scene, dir string) error { return pathError("rmdir", dir, unix.Rmdir(s.path(dir))) }

func unlink(s *scene, file string) error   { return pathError("unlink", file, unix.Unlink(s.path(file))) }
func hostname(_ *scene, name string) error { return unix.Sethostname([]byte(name)) }
func create(s *scene, file string) error   { return put(s.path(file), writing, "") }

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}

// chdir changes the directory for the later hooks of the phase. When this process is the
// vassal and its hooks have no directory of their own, it also changes the directory of the
// process.
func chdir(s *scene, dir string) error {
	dir = s.path(dir)
	if s.own && s.Dir == "" {
		return os.Chdir(dir)
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = pathError("chdir", dir, unix.ENOTDIR)
	}
	if err == nil {
		s.Dir = dir
	}
	return err
}

func sticky(s *scene, dir string) error {
	info, err := os.Stat(s.path(dir))
	if err != nil {
		return err
	}
	return os.Chmod(s.path(dir), info.Mode()|os.ModeSticky)
}

// put writes text in one call and also reports an error of close.
func put(path string, how int, text string) error {
	f, err := os.OpenFile(path, how, fileMode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func parseAppend(args string) (action, error)     { return parseText(args, appending, "") }
func parseAppendLine(args string) (action, error) { return parseText(args, appending, "\n") }
func parseWrite(args string) (action, error)      { return parseText(args, writing, "") }
func parseWriteLine(args string) (action, error)  { return parseText(args, writing, "\n") }

// parseText parses FILE TEXT, and writes the text with end.
func parseText(args string, how int, end string) (action, error) {
	file, text, ok := strings.Cut(args, " ")
	if file == "" || !ok && (end == "" || how != appending) {
		return nil, mistake("the syntax is FILE TEXT", "%q lacks an argument", args)
	}
	return func(_ context.Context, s *scene) error { return put(s.path(file), how, text+end) }, nil
}

func parseChdir(dir string) (action, error)     { return parseOne(dir, chdir) }
func parseCreate(file string) (action, error)   { return parseOne(file, create) }
func parseHostname(name string) (action, error) { return parseOne(name, hostname) }
func parseMkdir(dir string) (action, error)     { return parseOne(dir, mkdir) }
func parseRmdir(dir string) (action, error)     { return parseOne(dir, rmdir) }
func parseSticky(dir string) (action, error)    { return parseOne(dir, sticky) }
func parseUnlink(file string) (action, error)   { return parseOne(file, unlink) }

func parseChmod(args string) (action, error) {
	file, text, err := two(args, "FILE MODE")
	if err != nil {
		return nil, err
	}
	mode, err := strconv.ParseUint(strings.TrimSpace(text), 8, 32)
	if err != nil || mode > 0o7777 {
		return nil, mistake("octal, such as 755", "%q is not a mode", text)
	}
	return func(_ context.Context, s *scene) error {
		return pathError("chmod", file, unix.Chmod(s.path(file), uint32(mode)))
	}, nil
}

func parseSymlink(args string) (action, error) {
	to, link, err := two(args, "TO LINK")
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, s *scene) error { return os.Symlink(to, s.path(link)) }, nil
}

// parseChown parses FILE USER GROUP. Names are looked up when the hook runs, in the user
// database that it sees then.
func parseChown(args string) (action, error)        { return parseOwners(args, false) }
func parseChownNumeric(args string) (action, error) { return parseOwners(args, true) }

func parseOwners(args string, numeric bool) (action, error) {
	words := strings.Fields(args)
	if len(words) != 3 {
		return nil, mistake("the syntax is FILE USER GROUP", "%q is not three words", args)
	}
	for _, word := range words[1:] {
		if err := checkOwner(word, numeric); err != nil {
			return nil, err
		}
	}
	return func(_ context.Context, s *scene) error {
		uid, err := idOf(words[1], userID)
		if err != nil {
			return err
		}
		gid, err := idOf(words[2], groupID)
		if err != nil {
			return err
		}
		return os.Chown(s.path(words[0]), uid, gid)
	}, nil
}

// checkOwner accepts an id, and any name that useradd(8) accepts.
func checkOwner(word string, numeric bool) error {
	if n, err := strconv.ParseUint(word, 10, 32); err == nil && n < 1<<32-1 {
		return nil
	}
	if numeric {
		return mistake("chown takes names", "%q is not an id", word)
	}
	if strings.ContainsAny(word[:1], "-0123456789") || strings.ContainsAny(word, ":/,!") {
		return mistake("a name or a number, each as a word", "%q cannot be a user or group", word)
	}
	return nil
}

// idOf returns a number unchanged, and calls find for a name.
func idOf(word string, find func(name string) (string, error)) (int, error) {
	if n, err := strconv.Atoi(word); err == nil {
		return n, nil
	}
	id, err := find(word)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(id)
}

func userID(name string) (string, error) {
	u, err := nss.User(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func groupID(name string) (string, error) {
	g, err := nss.Group(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

func parsePutenv(arg string) (action, error) {
	key, value, ok := strings.Cut(arg, "=")
	if !ok || key == "" {
		return nil, mistake("KEY=VALUE", "%q is not a variable", arg)
	}
	return func(_ context.Context, s *scene) error {
		s.Vars = append(s.Vars, arg) // the last one wins (os/exec)
		if s.own {
			return os.Setenv(key, value)
		}
		return nil
	}, nil
}

// parseSysctl parses KEY=VALUE. The key is a path below /proc/sys, separated by dots or
// slashes (sysctl(8)).
func parseSysctl(arg string) (action, error) {
	key, value, ok := strings.Cut(arg, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !ok || key == "" {
		return nil, mistake("such as net.ipv4.ip_forward=1", "%q is not KEY=VALUE", arg)
	}
	path := strings.ReplaceAll(key, ".", "/")
	if strings.Contains(key, "/") {
		path = key // dots are part of names, such as a VLAN interface's
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return nil, mistake("such as net.ipv4.ip_forward=1", "%q is not a kernel parameter", key)
		}
	}
	return func(context.Context, *scene) error {
		switch err := put("/proc/sys/"+path, os.O_WRONLY, value); {
		case errors.Is(err, unix.EROFS):
			return fmt.Errorf("cannot set %s: %w (protect-kernel-tunables = false)", key, err)
		case err != nil:
			return fmt.Errorf("cannot set %s: %w", key, err)
		}
		return nil
	}, nil
}
