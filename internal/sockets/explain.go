package sockets

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/address"
)

// explained adds the cause of an error of bind(2) or listen(2) in this network namespace, and the
// remedy.
func explained(text string, err error) error {
	to, unclear := address.Parse(text)
	switch {
	case unclear != nil:
		return err
	case to.Path != "":
		return explainedPath(to.Path, err)
	}
	port := int(to.Port)
	switch {
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: port %d needs root's rights (shared-socket = ADDRESS is bound before they are given up, and =0 here stands for it)", err, port)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return fmt.Errorf("%w: no interface has it (there are %s; freebind = true binds it before it is there)", err, strings.Join(localAddresses(), ", "))
	case errors.Is(err, unix.EADDRINUSE):
		if who := holder(port); who != "" {
			return fmt.Errorf("%w by %s", err, who)
		}
	}
	return err
}

// explainedPath is explained for the path of a unix socket.
func explainedPath(path string, err error) error {
	failed, ok := errors.AsType[*os.PathError](err)
	switch {
	case ok && failed.Op == "lchown" && errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: only root can give a file to another user (drop chown-socket; chmod-socket = 666 lets all users connect)", err)
	case !ok && errors.Is(err, unix.EACCES) && path[0] != '@':
		return fmt.Errorf("%w: uid %d cannot make a file in %q", err, os.Geteuid(), filepath.Dir(path))
	}
	return err
}

// localAddresses returns the addresses of all interfaces in this network namespace.
func localAddresses() (list []string) {
	all, _ := net.InterfaceAddrs()
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok {
			list = append(list, n.IP.String())
		}
	}
	if len(list) == 0 {
		return []string{"none"}
	}
	return list
}

// holder describes the process that listens on a TCP port of this network namespace, or its user
// if this process cannot see it. Empty: neither is known.
func holder(port int) string {
	uid, inode := listener(port)
	if inode == "" || inode == "0" {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != "socket:["+inode+"]" {
			continue
		}
		pid := strings.Split(link, "/")[2]
		if pid == strconv.Itoa(os.Getpid()) {
			return "another socket of this vassal"
		}
		name, _ := os.ReadFile("/proc/" + pid + "/comm")
		return fmt.Sprintf("%q (pid %s)", strings.TrimSpace(string(name)), pid)
	}
	return "a process of uid " + uid
}

// listener is the owner and the inode of a listening socket (proc_pid_net(5)).
func listener(port int) (uid, inode string) {
	const listening = "0A"
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(table)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == listening && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				return f[7], f[9]
			}
		}
	}
	return "", ""
}
