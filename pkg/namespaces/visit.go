package namespaces

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/memfd"
)

// visitorName is the name (argv[0]) of a helper that enters the namespaces of another process;
// its main calls Arrive first.
const visitorName = "emperor-setns"

// Visit describes how a helper process enters the namespaces of another process. The helper
// takes no environment, path or program from there. It receives descriptors and typed fields
// only, and reads its errand after it has given up all other rights.
type Visit struct {
	// Program is a program whose main calls Arrive for a visitor. Required.
	Program string
	// Namespaces that the helper enters, of the process Of. Required.
	Namespaces Flags
	Of         Opener
	// At is a process that must not be reaped before Prepare returns. The helper enters its
	// root directory and, unless AtRoot, its working directory. Zero: the helper stays in the
	// root directory of its namespaces.
	At     int
	AtRoot bool
	// Held is a pidfd of that process. With it, Prepare checks that the process was not
	// reaped.
	Held *os.File
	// Confine: the helper gives up every right that the process lacks. Otherwise it remains
	// root. Landlocks are restrictions of the process, whose paths the helper opens in its root.
	Confine   bool
	Landlocks []Landlock
}

// Opener opens the namespaces of one process. The caller closes the results.
type Opener interface {
	// OpenNetwork opens the network namespace. The caller closes the handle.
	OpenNetwork() (netns.NsHandle, error)
	// OpenNamespace opens a namespace of another kind, one flag. The caller closes the file.
	OpenNamespace(which Flags) (*os.File, error)
}

// open opens one namespace of the process, as a file that can be passed to the helper.
func (v Visit) open(kind Flags) (*os.File, error) {
	if kind != NewNet {
		return v.Of.OpenNamespace(kind)
	}
	network, err := v.Of.OpenNetwork()
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(network), "network namespace"), nil // which owns the handle from here on
}

// Visitor is a helper that is ready to be started with Files as its descriptors from 3 on. It
// needs no environment. The caller closes the files.
type Visitor struct {
	Path  string
	Args  []string
	Files []*os.File
}

// visitFD is the first descriptor of a visitor: its task. The namespaces follow, in the order
// of Flags.Kinds, then the root and the working directory.
const visitFD = 3

// task is the input of a visitor.
type task struct {
	Namespaces    Flags
	Move, Confine bool
	Limits        Limits
	Errand        json.RawMessage
}

// Prepare makes a visitor with an errand, which json.Marshal must accept.
func (v Visit) Prepare(errand any) (_ *Visitor, err error) {
	t := task{Namespaces: v.Namespaces, Move: v.At != 0, Confine: v.Confine}
	if t.Errand, err = json.Marshal(errand); err != nil {
		return nil, err
	}
	if t.Confine {
		if t.Limits, err = LimitsOf(v.At, v.Namespaces.Has(NewUser)); err != nil {
			return nil, err
		}
		t.Limits.Landlocks = v.Landlocks
	}
	visitor := &Visitor{Path: v.Program, Args: []string{visitorName}}
	defer func() {
		if err != nil {
			visitor.Close()
		}
	}()
	if err = visitor.addTask(t); err != nil {
		return nil, err
	}
	var alone []string
	for _, kind := range v.Namespaces.Kinds() {
		f, err := v.open(kind)
		if err != nil {
			return nil, err
		}
		if threadless.Has(kind) {
			alone = append(alone, fmt.Sprintf("--%s=/proc/self/fd/%d", kind, visitFD+len(visitor.Files)))
		}
		visitor.Files = append(visitor.Files, f)
	}
	if t.Move {
		links := []string{"root", "cwd"}
		if v.AtRoot {
			links[1] = "root"
		}
		if err = visitor.place(v.At, links); err != nil {
			return nil, err
		}
	}
	err = visitor.begin(alone)
	if err == nil && v.Held != nil {
		err = stillThere(v.Held)
	}
	return visitor, err
}

// threadless are the namespaces that only a single-threaded process can enter (setns(2)).
const threadless = NewUser | NewTime

// begin runs the program through util-linux's nsenter, for the namespaces that no Go program
// can enter. The program's descriptor is the last one: nsenter does not have the caller's others.
func (v *Visitor) begin(namespaces []string) error {
	if len(namespaces) == 0 {
		return nil
	}
	path, err := exec.LookPath("nsenter")
	if err != nil {
		return fmt.Errorf("cannot enter a user or time namespace: %w", err)
	}
	v.Args = append([]string{"nsenter"}, namespaces...)
	if os.Geteuid() != 0 { // this user is root in the user namespaces that it makes, and must stay so
		v.Args = append(v.Args, "--preserve-credentials")
	} // root of the host may be no user there: nsenter becomes root of the namespace
	program, err := openPath(v.Path, 0)
	if err != nil {
		return err
	}
	v.Args = append(v.Args, "--", fmt.Sprintf("/proc/self/fd/%d", visitFD+len(v.Files)), visitorName)
	v.Path, v.Files = path, append(v.Files, program)
	return nil
}

// place adds the directories of the process.
func (v *Visitor) place(pid int, links []string) error {
	for _, link := range links {
		f, err := openPath(fmt.Sprintf("/proc/%d/%s", pid, link), unix.O_DIRECTORY) // does not access the filesystem behind it
		if err != nil {
			return fmt.Errorf("cannot enter its directories: %w", err)
		}
		v.Files = append(v.Files, f)
	}
	return nil
}

// openPath opens a place in the file system, not its contents.
func openPath(path string, flags int) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// addTask adds the task as a file in memory. A pipe would hold 64 KiB of it and then block until
// the visitor reads.
func (v *Visitor) addTask(t task) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	f, err := memfd.File("task", text)
	if err != nil {
		return fmt.Errorf("cannot write the task: %w", err)
	}
	v.Files = append(v.Files, f)
	return nil
}

// Close closes the files.
func (v *Visitor) Close() {
	for _, f := range v.Files {
		f.Close()
	}
}

// IsVisitor reports whether this process was started as a visitor.
func IsVisitor() bool {
	return os.Args[0] == visitorName || len(os.Args) == 2 && os.Args[1] == visitorName
}

// Arrival is the visitor's own view of its visit.
type Arrival struct{ task task }

// Arrive reads the task. From here on, no descriptor except stdio survives an execve.
func Arrive() (*Arrival, error) {
	if err := CloseOnExecFrom(visitFD); err != nil {
		return nil, err
	}
	f := os.NewFile(visitFD, "task")
	if f == nil {
		return nil, errors.New("no task was given")
	}
	defer f.Close()
	a := &Arrival{}
	if err := json.NewDecoder(f).Decode(&a.task); err != nil {
		return nil, fmt.Errorf("cannot read the task: %w", err)
	}
	return a, nil
}

// Confined reports whether the errand comes from the visited process: it must not be read
// before Enter has returned.
func (a *Arrival) Confined() bool { return a.task.Confine }

// Errand decodes the errand.
func (a *Arrival) Errand(into any) error {
	if err := json.Unmarshal(a.task.Errand, into); err != nil {
		return fmt.Errorf("cannot read the errand: %w", err)
	}
	return nil
}

// Enter moves the calling thread, and the processes that it starts, to the destination of the
// visit. Its goroutine must be locked to the thread. Other threads stay in the original
// namespaces, with all rights: no other goroutine may work on the errand. After an error the
// process must not continue.
func (a *Arrival) Enter() error {
	next := uintptr(visitFD + 1)
	file := func(name string) *os.File {
		f := os.NewFile(next, name)
		next++
		return f
	}
	for _, kind := range a.task.Namespaces.Kinds() {
		if kind == NewNet {
			network := netns.NsHandle(next)
			next++
			if err := enterNetwork(network); err != nil {
				return err
			}
			network.Close()
			continue
		}
		ns := file("namespace")
		if !threadless.Has(kind) { // nsenter has entered these already
			if err := enter(kind, ns); err != nil {
				return err
			}
		}
		ns.Close()
	}
	if a.task.Move {
		root, dir := file("root"), file("cwd")
		defer root.Close()
		defer dir.Close()
		if err := moveTo(root, dir); err != nil {
			return fmt.Errorf("cannot enter its directories: %w", err)
		}
	}
	if a.task.Confine {
		return a.task.Limits.Confine()
	}
	return nil
}

// moveTo makes root the root directory of the calling thread, and dir its working directory.
// The thread stops sharing both with other threads.
func moveTo(root, dir *os.File) error {
	here, err := os.Stat("/")
	if err != nil {
		return err
	}
	there, err := root.Stat()
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 && os.SameFile(here, there) { // it may not change its root
		return os.NewSyscallError("fchdir", unix.Fchdir(int(dir.Fd())))
	}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := unix.Fchdir(int(root.Fd())); err != nil {
		return os.NewSyscallError("fchdir", err)
	}
	if err := unix.Chroot("."); err != nil {
		return os.NewSyscallError("chroot", err)
	}
	return os.NewSyscallError("fchdir", unix.Fchdir(int(dir.Fd())))
}
