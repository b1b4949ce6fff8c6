package monitor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Owners are the rules for files whose vassals run as the owner of the file. The owner is the one of
// the inode whose bytes are read. Every directory and every link on the path to it must belong to
// that user, to root or to the user of this process: otherwise a third user could choose which file
// the path names.
type Owners struct {
	// MinUID is the lowest uid of a tenant.
	MinUID uint32
	// Operator permits files of root and of the user of this process, which are the operator's.
	Operator bool
	// NoFollow refuses files that are symbolic links.
	NoFollow bool
}

// overflowUID is the uid that the kernel shows for users that it cannot name (fs.overflowuid of
// proc_sys_fs(5)).
const overflowUID = 65534

// OwnerError is the error of a file whose vassal may not run, by the rules about owners.
type OwnerError struct {
	// Path of the file, and UID of its owner.
	Path string
	UID  uint32
	// What breaks which rule, and the remedy.
	What, Hint string
}

func (e *OwnerError) Error() string {
	return fmt.Sprintf("%s: %s: not started (%s)", e.Path, e.What, e.Hint)
}

// Tenant reports whether files of a user belong to a tenant, and not to the operator.
func Tenant(uid uint32) bool { return uid != 0 && int(uid) != os.Geteuid() }

// Check examines the file at a path. The error is an OwnerError, or the reason why the file cannot be
// examined.
func (o *Owners) Check(path string) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return o.judge(path, fd)
}

// errChanging is returned for a path that leads to another file than a moment ago.
var errChanging = fmt.Errorf("its path leads to another file than a moment ago: %w", errBusy)

// judge decides whether the vassal of an open file may run. The path must lead to this file.
func (o *Owners) judge(path string, fd int) error {
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return err
	}
	refuse := func(hint, what string, args ...any) error {
		return &OwnerError{path, s.Uid, fmt.Sprintf(what, args...), hint}
	}
	belongs := fmt.Sprintf("belongs to uid %d", s.Uid)
	switch self := os.Geteuid(); {
	case !Tenant(s.Uid) && !o.Operator:
		return refuse("chown it to the tenant, or emperor-tyrant-root = operator if it is the operator's", "%s, and emperor-tyrant-root is refuse", belongs)
	case Tenant(s.Uid) && self != 0:
		return refuse("start the emperor as root", "%s, which an emperor of uid %d cannot become", belongs, self)
	case s.Uid == overflowUID || s.Uid == ^uint32(0):
		return refuse("chown it to the tenant", "%s, which the kernel shows for users that it cannot name", belongs)
	case Tenant(s.Uid) && s.Uid < o.MinUID:
		return refuse("chown it to the tenant", "%s, below emperor-tyrant-uid-min (%d)", belongs, o.MinUID)
	case s.Nlink > 1:
		return refuse("copy it, and remove its other names", "%s and has %d hard links: another user may have made one", belongs, s.Nlink)
	case s.Mode&0o022 != 0:
		return refuse("chmod go-w", "%s, and others can write to it (mode %04o)", belongs, s.Mode&0o7777)
	}
	t := trail{path: path, nofollow: o.NoFollow}
	end, err := t.walk()
	if err != nil {
		return err
	}
	if end.Dev != s.Dev || end.Ino != s.Ino {
		return errChanging
	}
	for _, c := range t.components {
		if what, hint := c.against(s.Uid); what != "" {
			return refuse(hint, "%s, %s", belongs, what)
		}
	}
	return nil
}

// component is a directory or a link on the way to a file, or the file itself, as the kernel shows it.
type component struct {
	path string
	unix.Stat_t
}

// against returns the rule that the component breaks on the way to a file of an owner, with the
// remedy. Empty: none.
func (c component) against(owner uint32) (what, hint string) {
	kind := "directory"
	switch c.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		kind = "link"
	case unix.S_IFREG:
		kind = "file"
	}
	name := filepath.Base(c.path)
	switch {
	case c.Uid != owner && Tenant(c.Uid):
		return fmt.Sprintf("and the %s %s to uid %d", kind, c.path, c.Uid), "only the owner of the file, root and the emperor may have a part in its path"
	case (kind == "file" || Tenant(c.Uid)) && !plainName(name):
		return fmt.Sprintf("and the name %q has other characters than letters, digits and ._@+-, or begins with a dash", name), "rename it"
	case kind != "directory" || c.Mode&unix.S_ISVTX != 0:
	case c.Mode&0o002 != 0, c.Mode&0o020 != 0 && c.Gid != 0:
		return fmt.Sprintf("and others can write to the directory %s (mode %04o), which has no sticky bit", c.path, c.Mode&0o7777),
			"chmod go-w, or chmod +t, the directory"
	}
	return "", ""
}

// plainName reports whether a name is one word for every program.
func plainName(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@+-"
	return name == "/" || !strings.HasPrefix(name, "-") && strings.Trim(name, letters) == ""
}

// trail resolves a path as the kernel does, and remembers each directory and link on the way. No other
// process can change what it remembers of a component behind its back: it goes on from the open one.
type trail struct {
	path       string
	nofollow   bool
	components []component
	links      int
}

// walk returns the status of the file at the end of the path.
func (t *trail) walk() (end unix.Stat_t, err error) {
	at, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return end, err
	}
	defer func() { unix.Close(at) }()
	here, rest := "/", strings.Split(t.path, "/")
	for len(rest) > 0 {
		name := rest[0]
		if rest = rest[1:]; name == "" || name == "." {
			continue
		}
		next, err := unix.Openat(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return end, err
		}
		c := component{path: filepath.Join(here, name)}
		target := ""
		if err = unix.Fstat(next, &c.Stat_t); err == nil && c.Mode&unix.S_IFMT == unix.S_IFLNK {
			target, err = t.follow(next, c, len(rest) == 0)
		}
		if err != nil {
			unix.Close(next)
			return end, err
		}
		t.components = append(t.components, c)
		end = c.Stat_t
		switch {
		case target == "":
			unix.Close(at)
			at, here = next, c.path
			continue
		case strings.HasPrefix(target, "/"):
			unix.Close(at)
			if at, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
				unix.Close(next)
				return end, err
			}
			here = "/"
		}
		unix.Close(next)
		rest = append(strings.Split(target, "/"), rest...)
	}
	return end, nil
}

// follow returns the target of an open link. last: the link is the last component of the path.
func (t *trail) follow(fd int, c component, last bool) (string, error) {
	if t.nofollow && last {
		return "", &OwnerError{t.path, c.Uid, fmt.Sprintf("the link %s belongs to uid %d, and emperor-tyrant-nofollow refuses links", c.path,
			c.Uid), "put the file itself there"}
	}
	if t.links++; t.links > maxLinks {
		return "", unix.ELOOP
	}
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buffer)
	if err == nil && (n == 0 || n == len(buffer)) {
		err = errors.New("its link has no target")
	}
	return string(buffer[:max(n, 0)]), err
}
