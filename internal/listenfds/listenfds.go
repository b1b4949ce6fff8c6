// Package listenfds passes listening sockets from a process to its child, by the variables LISTEN_FDS,
// LISTEN_FDNAMES and LISTEN_PID of systemd (sd_listen_fds(3)).
package listenfds

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// First is the descriptor of the first socket. The others follow it.
const First = 3

// Unnamed is the name of a socket without a name of its own.
const Unnamed = "socket"

// most is the largest number of sockets that Take accepts.
const most = 1024

const (
	countKey = "LISTEN_FDS"
	namesKey = "LISTEN_FDNAMES"
	pidKey   = "LISTEN_PID"
)

// Variables returns the variables for sockets from descriptor First on, by their names. pid is the
// process that uses them; zero: each process that reads them, or ForThisProcess adds it.
func Variables(names []string, pid int) []string {
	list := []string{countKey + "=" + strconv.Itoa(len(names)), namesKey + "=" + strings.Join(names, ":")}
	if pid > 0 {
		list = append(list, pidKey+"="+strconv.Itoa(pid))
	}
	return list
}

// ForThisProcess sets LISTEN_PID when this process has got sockets and executes their program.
func ForThisProcess() error {
	if os.Getenv(countKey) == "" {
		return nil
	}
	return os.Setenv(pidKey, strconv.Itoa(os.Getpid()))
}

// Take returns the names of the sockets that the parent has passed to this process, and removes
// the variables: no child inherits them. Sockets without a name have the name Unnamed.
//
// Without LISTEN_PID the sockets are for the process that reads the variables. With the pid of
// another process there are none, and other values are not examined: this process has inherited
// variables that are not for it. Otherwise a malformed value is an error: the parent has passed
// sockets, and a program without them would be unreachable without a message.
func Take() (names []string, err error) {
	count, listed, pid := os.Getenv(countKey), os.Getenv(namesKey), os.Getenv(pidKey)
	Forget()
	return parse(count, listed, pid, os.Getpid())
}

// Forget removes the variables from the environment.
func Forget() {
	for _, key := range []string{countKey, namesKey, pidKey} {
		_ = os.Unsetenv(key)
	}
}

func parse(count, listed, pid string, own int) ([]string, error) {
	if count == "" {
		return nil, nil
	}
	if pid != "" {
		id, err := number(pidKey, pid)
		if err != nil || id != own {
			return nil, err
		}
	}
	n, err := number(countKey, count)
	if err != nil || n == 0 {
		return nil, err
	}
	if n > most {
		return nil, fmt.Errorf("cannot use %s=%q: more than %d", countKey, count, most)
	}
	names := make([]string, n)
	given := strings.Split(listed, ":")
	for i := range names {
		if names[i] = Unnamed; i < len(given) && given[i] != "" && given[i] != "unknown" { // systemd's word for no name
			names[i] = given[i]
		}
	}
	return names, nil
}

func number(key, text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err == nil && n < 0 {
		err = errors.New("negative")
	}
	if err != nil {
		err = fmt.Errorf("cannot use %s=%q: not a number", key, text)
	}
	return n, err
}
