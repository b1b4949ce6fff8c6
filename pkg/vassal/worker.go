package vassal

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// worker is a process that serves the sockets. It leads a session of its own.
type worker struct {
	pid   int
	since time.Time
}

// StageName is the name under which the vassal program is started to become a
// worker: only the process itself can put its pid into LISTEN_PID.
const StageName = "vassal-worker"

// spawn starts a worker by way of the stage. It must be called by the main
// thread: when that dies, the worker does.
func (v *Vassal) spawn(path string, args []string) (*worker, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	files := []uintptr{null.Fd(), 1, 2}
	for _, s := range v.sockets {
		files = append(files, s.FD())
	}
	env := applicationEnviron()
	if len(v.sockets) > 0 {
		env = append(env, listenVars(v.sockets)...)
	}
	program, argv := v.SelfProgram, append([]string{StageName, path}, args...)
	if path == v.ServerProgram { // knows whose descriptors they are
		program, argv = path, args
		options, err := v.options.Server.Memfd()
		if err != nil {
			return nil, err
		}
		defer options.Close()
		env = append(env, serving.Env+"="+strconv.Itoa(len(files)))
		if os.Getenv("GOMAXPROCS") == "" {
			env = append(env, "GOMAXPROCS=1") // saves 200 KB; it takes more when it is busy
		}
		files = append(files, options.Fd())
	}
	pid, err := syscall.ForkExec(program, argv, &syscall.ProcAttr{
		Env: env, Files: files, Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot start %q: %w", args[0], err)
	}
	v.Log.Info("worker started", "pid", pid, "program", filepath.Base(args[0]))
	return &worker{pid: pid, since: time.Now()}, nil
}

func (w *worker) signal(s syscall.Signal) { _ = syscall.Kill(w.pid, s) }

// kill ends the worker and whatever is in its process group. It must not have
// been reaped.
func (w *worker) kill() { _ = syscall.Kill(-w.pid, syscall.SIGKILL) }

// Stage becomes the worker: argv is [StageName, path, name, arguments…]. It only
// returns if it cannot.
func Stage(argv []string) error {
	if len(argv) < 3 {
		return fmt.Errorf("cannot start a worker: no program")
	}
	if os.Getenv("LISTEN_FDS") != "" {
		if err := os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())); err != nil {
			return err
		}
	}
	return fmt.Errorf("cannot run %q: %w", argv[2], syscall.Exec(argv[1], argv[2:], os.Environ()))
}

// endOrphans ends what workers left running when there is no pid namespace that
// ends it with this process: as their adoptive parent it sees them as children.
func endOrphans() {
	if os.Getpid() == 1 {
		return
	}
	for {
		children, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", unix.Gettid()))
		if err != nil || len(children) == 0 {
			return
		}
		for _, word := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(word); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && err != syscall.EINTR {
			return
		}
	}
}
