// Package nss looks up users and groups. It reads /etc/passwd and /etc/group first. When they
// have no entry and nsswitch.conf(5) names further sources (LDAP, SSSD, extrausers,
// systemd-userdb), it runs getent(1): a program without the C library cannot load their
// modules itself.
package nss

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/namespaces"
)

// patience limits one call of getent: a directory service may be unreachable.
const patience = 10 * time.Second

// User returns the account with a name. Its error is a user.UnknownUserError when no source
// has it.
func User(name string) (*user.User, error) {
	u, err := accountBy(nameField, name, user.UnknownUserError(name))
	return orAsk(u, err, userEntry, "passwd", name)
}

// UserID returns the account with a number in decimal digits. Its error is a
// user.UnknownUserIdError when no source has it.
func UserID(id string) (*user.User, error) {
	number, err := strconv.Atoi(id)
	if err != nil {
		return nil, err
	}
	u, err := accountBy(idField, id, user.UnknownUserIdError(number))
	return orAsk(u, err, userEntry, "passwd", id)
}

// Group returns the group with a name. Its error is a user.UnknownGroupError when no source
// has it.
func Group(name string) (*user.Group, error) {
	g, err := groupBy(nameField, name, user.UnknownGroupError(name))
	return orAsk(g, err, groupEntry, "group", name)
}

// GroupID returns the group with a number in decimal digits. Its error is a
// user.UnknownGroupIdError when no source has it.
func GroupID(id string) (*user.Group, error) {
	g, err := groupBy(idField, id, user.UnknownGroupIdError(id))
	return orAsk(g, err, groupEntry, "group", id)
}

// GroupIDs returns the numbers of all groups of an account, including its own, as
// getgrouplist(3) does.
func GroupIDs(u *user.User) ([]string, error) {
	ids, err := groupsOf(u)
	if err != nil || !asksOthers("group", "systemd") {
		return ids, err // systemd's source only knows groups of its own accounts
	}
	line, err := getent("initgroups", u.Username)
	if err != nil {
		return nil, err
	}
	if fields := strings.Fields(line); len(fields) > 1 { // the first field is the name
		ids = append(ids, fields[1:]...)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// orAsk returns the entry of the files, or runs getent when the files have none.
func orAsk[T any](entry *T, missing error, parse func(line string) (*T, error), database, key string) (*T, error) {
	if missing == nil || !isUnknown(missing) || !asksOthers(database) {
		return entry, missing
	}
	line, err := asked(database, key)
	if err != nil {
		return nil, err
	}
	if line == "" {
		return nil, missing
	}
	return parse(line)
}

func isUnknown(err error) bool {
	var name user.UnknownUserError
	var id user.UnknownUserIdError
	var group user.UnknownGroupError
	var gid user.UnknownGroupIdError
	return errors.As(err, &name) || errors.As(err, &id) || errors.As(err, &group) || errors.As(err, &gid)
}

// switchFile lists the sources that the C library asks (nsswitch.conf(5)).
var switchFile = "/etc/nsswitch.conf"

// asksOthers reports whether the database has sources other than the files and the names in
// without. A host without nsswitch.conf has none.
func asksOthers(database string, without ...string) bool {
	text, err := switchText()
	if err != nil {
		return false
	}
	for _, source := range sources(string(text), database) {
		if source != "files" && !slices.Contains(without, source) {
			return true
		}
	}
	return false
}

// sources lists the sources of a database. Actions in brackets are left out.
func sources(text, database string) (list []string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		name, rest, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) != database {
			continue
		}
		for rest != "" {
			outside, inside, _ := strings.Cut(rest, "[")
			list = append(list, strings.Fields(outside)...)
			_, rest, _ = strings.Cut(inside, "]")
		}
	}
	return list
}

// programs are the paths of getent. PATH is not used: this code runs as root, with an
// environment that a tenant may have chosen.
var programs = []string{"/usr/bin/getent", "/bin/getent"}

// notFound is the exit code of getent(1) for a key that no source has.
const notFound = 2

// getent returns the line of a key, or an empty string when no source has it. The program gets
// a fixed environment.
func getent(database, key string) (string, error) {
	if key == "" || strings.HasPrefix(key, "-") || strings.ContainsAny(key, "\x00\n:") {
		return "", nil // no account has such a name, and getent would read it as an option
	}
	i := slices.IndexFunc(programs, func(path string) bool { _, err := os.Stat(path); return err == nil })
	if i < 0 {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, programs[i], database, key)
	cmd.Env, cmd.Dir = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}, "/"
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &out
	err := namespaces.Run(cmd)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("getent %s %s does not answer within %v", database, key, patience)
	case errors.As(err, &exit) && exit.ExitCode() == notFound:
		return "", nil
	case err != nil:
		return "", fmt.Errorf("getent %s %s: %w", database, key, err)
	}
	line, _, _ := strings.Cut(out.String(), "\n")
	return line, nil
}

// userEntry parses a line of passwd(5).
func userEntry(line string) (*user.User, error) {
	f := strings.Split(line, ":")
	if len(f) < userFields {
		return nil, fmt.Errorf("getent passwd: cannot read %q", line)
	}
	return userOf(f), nil
}

func userOf(f []string) *user.User {
	name, _, _ := strings.Cut(f[4], ",")
	return &user.User{Username: f[nameField], Uid: f[idField], Gid: f[3], Name: name, HomeDir: f[5]}
}

// groupEntry parses a line of group(5).
func groupEntry(line string) (*user.Group, error) {
	f := strings.Split(line, ":")
	if len(f) < 3 {
		return nil, fmt.Errorf("getent group: cannot read %q", line)
	}
	return groupOf(f), nil
}

func groupOf(f []string) *user.Group { return &user.Group{Name: f[nameField], Gid: f[idField]} }
