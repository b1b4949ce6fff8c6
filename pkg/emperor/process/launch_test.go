package process

import (
	"errors"
	"os"
	"runtime/debug"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/emperor"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

func TestEnvironmentOfProgram(t *testing.T) {
	s := Environment{Own: []string{
		"PATH=/bin", "UWSGI_VASSAL_HTTP_SOCKET=:80", "UWSGI_EMPEROR_FD=9", "EMPEROR_ORDER_FD=8", "LISTEN_FDS=1", "WATCHDOG_USEC=1",
		"NOTIFY_SOCKET=/run/notify", "GOMAXPROCS=7", "UWSGIX=1",
	}}
	want := []string{
		"PATH=/bin", "UWSGI_HTTP_SOCKET=:80", "EMPEROR_GOMAXPROCS=7", "UWSGIX=1",
		"GOMAXPROCS=1", "UWSGI_EMPEROR_FD=3", "EMPEROR_ORDER_FD=4",
	}
	if got := s.ofProgram(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestCloneOutOfDescriptors: a launch with too few descriptors returns the ones that it got,
// wherever the shortage occurs.
func TestCloneOutOfDescriptors(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // the collector would close them
	spawner := namespaces.NewSpawner()
	defer spawner.Close()
	s := Launcher{Poller: &Poller{}, Programs: Programs{Vassal: "/bin/true", Wrappers: Wrappers{Wrapper: "/bin/true"}}, Spawner: spawner}
	free := holdDescriptors(t)
	for n := range 10 {
		before := openDescriptors()
		if _, err := s.clone(t.Context(), emperor.Request{Plan: &emperor.Plan{}}, "/"); !errors.Is(err, unix.EMFILE) {
			t.Fatalf("with %d descriptors: %v, want %v", n, err, unix.EMFILE)
		}
		if after := openDescriptors(); !slices.Equal(after, before) {
			t.Fatalf("with %d descriptors: %d are open, and %d were", n, len(after), len(before))
		}
		free()
	}
}

// holdDescriptors lowers the limit and opens all remaining descriptors until the end of the
// test. free closes one of them.
func holdDescriptors(t *testing.T) (free func()) {
	t.Helper()
	if r, w, err := os.Pipe(); err == nil { // the runtime's poller has its own from here on
		closeAll([]*os.File{r, w})
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := unix.Rlimit{Cur: uint64(slices.Max(openDescriptors()) + 20), Max: was.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	var held []int
	free = func() {
		unix.Close(held[0])
		held = held[1:]
	}
	t.Cleanup(func() {
		for len(held) > 0 {
			free()
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Error(err)
		}
	})
	for {
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return free
		}
		held = append(held, fd)
	}
}

func openDescriptors() (fds []int) {
	for fd := range 4096 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			fds = append(fds, fd)
		}
	}
	return fds
}
