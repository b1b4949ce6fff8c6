//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// testimony is the state in which an application finds itself.
type testimony struct {
	PID         int
	Args        []string
	Dir         string
	Env         []string
	Descriptors map[string]string // number -> kind of file
	ListenFDs   string
	ListenNames string
	ListenPID   string
}

// application is the role of a program that a vassal runs. It sends its testimony to every
// client of its first socket, or of a socket that it makes at the path in its only argument.
func application() error {
	if os.Getenv("STORY_STUBBORN") != "" {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
	} else {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM) // the first process of a namespace does not die by default actions
		go func() { <-signals; os.Exit(0) }()
	}
	said, err := testify()
	if err != nil {
		return err
	}
	var listener net.Listener
	if said.ListenFDs != "" {
		listener, err = net.FileListener(os.NewFile(3, "socket"))
	} else {
		_ = os.Remove(os.Args[1])
		listener, err = net.Listen("unix", os.Args[1])
	}
	if err != nil {
		return err
	}
	for {
		c, err := listener.Accept()
		if err != nil {
			return err
		}
		_ = json.NewEncoder(c).Encode(said)
		c.Close()
	}
}

func testify() (said testimony, err error) {
	said = testimony{
		PID: os.Getpid(), Args: os.Args, Env: os.Environ(), Descriptors: map[string]string{},
		ListenFDs: os.Getenv("LISTEN_FDS"), ListenNames: os.Getenv("LISTEN_FDNAMES"), ListenPID: os.Getenv("LISTEN_PID"),
	}
	if said.Dir, err = os.Getwd(); err != nil {
		return said, err
	}
	said.Descriptors, err = descriptors(os.Getpid())
	return said, err
}

// descriptors lists the descriptors of a process. Descriptors that Go's runtime opens for itself
// are left out.
func descriptors(pid int) (map[string]string, error) {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, e := range entries {
		link, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil || strings.HasPrefix(link, "anon_inode:[event") || strings.HasPrefix(link, "/proc/") || strings.HasPrefix(link, "/sys/fs/cgroup/") {
			continue // closed since, epoll, eventfd and processor limits of the runtime, or the listing itself
		}
		found[e.Name()] = link
	}
	return found, nil
}

// crowd is the role of an emperor that inherits thousands of descriptors: it opens them and
// executes the program in its arguments.
func crowd() error {
	limit := syscall.Rlimit{Cur: 6000, Max: 6000}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	for range 5000 {
		if _, err := syscall.Open("/dev/zero", syscall.O_RDONLY, 0); err != nil { // not close-on-exec
			return err
		}
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, roleEnv+"=") })
	return syscall.Exec(os.Args[1], os.Args[1:], env)
}

// ask connects to an application's socket and returns its testimony.
func ask(t testing.TB, socket string) (said testimony) {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	text, err := io.ReadAll(c)
	if err == nil {
		err = json.Unmarshal(text, &said)
	}
	if err != nil {
		t.Fatalf("the application said %q: %v", text, err)
	}
	return said
}

// asApplication returns the options by which a vassal runs the application with more
// arguments.
func asApplication(option string, args string) []string {
	return []string{"env = " + roleEnv + "=application", fmt.Sprintf("%s = %s %s", option, storyProgram, args)}
}
