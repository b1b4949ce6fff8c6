package namespaces

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// unchanged is -1, which the system calls read as "no change".
const unchanged = 1<<32 - 1

// Credentials are the user and groups of a process after it drops its privileges.
type Credentials struct {
	// UID and GID replace the real, effective and saved ids. 4294967295 is refused, because
	// setresuid(2) reads it as "no change".
	UID, GID uint32
	// Groups are all supplementary groups. Empty: none.
	Groups []uint32
	// Keep are the capabilities of the process and of its programs afterwards. Nil: all of root's
	// for root, and none for another user, but what the bounding set allows for programs with
	// rights of their files.
	Keep *Capabilities
}

// Apply sets the supplementary groups, then the group, then the user, for every thread of the
// process, and verifies the result. Other processes of that user cannot read this
// process's memory afterwards. After an error the process must not continue.
func (c Credentials) Apply() error {
	if c.UID == unchanged || c.GID == unchanged {
		return fmt.Errorf("cannot become uid %d, gid %d: %d is not an id", c.UID, c.GID, uint32(unchanged))
	}
	groups := make([]int, len(c.Groups))
	for i, g := range c.Groups {
		groups[i] = int(g)
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("cannot set groups %v: %w", c.Groups, err)
	}
	if c.Keep != nil {
		if err := c.Keep.Retain(); err != nil {
			return err
		}
	}
	gid, uid := int(c.GID), int(c.UID)
	if err := syscall.Setresgid(gid, gid, gid); err != nil {
		return fmt.Errorf("cannot set gid %d: %w", gid, err)
	}
	if err := syscall.Setresuid(uid, uid, uid); err != nil {
		return fmt.Errorf("cannot set uid %d: %w", uid, err)
	}
	if c.Keep != nil {
		if err := c.Keep.Keep(); err != nil {
			return err
		}
	}
	if err := conceal(); err != nil {
		return err
	}
	return c.verify()
}

// conceal denies processes of the same user access to this process's memory and descriptors,
// until the next execve (PR_SET_DUMPABLE of prctl(2), ptrace(2)). A change of ids does the
// same, unless fs.suid_dumpable is not zero.
func conceal() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}

// verify reads /proc and returns an error about the first thread whose ids or groups differ
// from c. For a user other than root it also rejects capabilities outside Keep that are
// effective, permitted, or kept across execve.
func (c Credentials) verify() error {
	if err := eachThread(c.verifyThread, "Uid", "Gid", "Groups", "CapPrm", "CapEff", "CapAmb"); err != nil {
		return fmt.Errorf("cannot verify credentials: %w", err)
	}
	return nil
}

// verifyThread checks the status of one thread.
func (c Credentials) verifyThread(status fields) error {
	checks := [][2]string{{"Uid", four(c.UID)}, {"Gid", four(c.GID)}}
	if c.UID != 0 {
		kept := Capabilities(0).hex()
		if c.Keep != nil {
			kept = c.Keep.hex()
		}
		checks = append(checks, [][2]string{{"CapPrm", kept}, {"CapEff", kept}, {"CapAmb", kept}}...)
	}
	for _, x := range checks {
		if err := status.want(x[0], x[1]); err != nil {
			return err
		}
	}
	if groups, ok := status["Groups"]; ok {
		status["Groups"] = list(parseList(groups))
	}
	return status.want("Groups", list(c.Groups))
}

func four(id uint32) string {
	s := strconv.FormatUint(uint64(id), 10)
	return strings.Join([]string{s, s, s, s}, " ")
}

// list formats a set of groups independently of its order.
func list(groups []uint32) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(groups)))
	words := make([]string, len(sorted))
	for i, g := range sorted {
		words[i] = strconv.FormatUint(uint64(g), 10)
	}
	return strings.Join(words, " ")
}

func parseList(s string) []uint32 {
	var groups []uint32
	for word := range strings.FieldsSeq(s) {
		if g, err := strconv.ParseUint(word, 10, 32); err == nil {
			groups = append(groups, uint32(g))
		}
	}
	return groups
}
