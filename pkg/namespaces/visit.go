package namespaces

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// VisitorName is the name under which a program is started as a helper that goes to
// where another process is; its main then calls Arrive before it does anything else.
const VisitorName = "emperor-setns"

// Visit is a way for a helper process to where another process is. The helper takes no
// environment, path or program from there: it is told by descriptors and by typed
// fields alone, and looks at its errand when it has the rights for it and no more.
type Visit struct {
	// Program is one whose main calls Arrive for a visitor. Required.
	Program string
	// Namespaces are those that the helper enters, and Open returns each of them by
	// descriptor. Required.
	Namespaces Flags
	Open       func(Flags) (*os.File, error)
	// At is a process, which must not be reaped before Prepare returns: the helper goes
	// to its root directory and, unless AtRoot, to its working directory. Zero: it stays
	// in the root directory of its namespaces.
	At     int
	AtRoot bool
	// Held is a pidfd of that process. Prepare then makes sure itself that the process was
	// not reaped.
	Held *os.File
	// Confine: the helper gives up every right that the process lacks. Otherwise it stays
	// root.
	Confine bool
}

// Visitor is a helper that is ready to be started with Files as its descriptors from 3
// on. It needs no environment. The caller closes the files.
type Visitor struct {
	Path  string
	Args  []string
	Files []*os.File
}

// visitFD is the first descriptor of a visitor: its task. The namespaces follow, in the
// order of Flags.Kinds, then the root and the working directory.
const visitFD = 3

// task is what a visitor is told.
type task struct {
	Namespaces    Flags
	Move, Confine bool
	Limits        Limits
	Errand        json.RawMessage
}

// Prepare makes a visitor with an errand, which json.Marshal must take.
func (v Visit) Prepare(errand any) (_ *Visitor, err error) {
	t := task{Namespaces: v.Namespaces, Move: v.At != 0, Confine: v.Confine}
	if t.Errand, err = json.Marshal(errand); err != nil {
		return nil, err
	}
	if t.Confine {
		if t.Limits, err = LimitsOf(v.At, v.Namespaces.Has(NewUser)); err != nil {
			return nil, err
		}
	}
	visitor := &Visitor{Path: v.Program, Args: []string{VisitorName}}
	defer func() {
		if err != nil {
			visitor.Close()
		}
	}()
	if err = visitor.tell(t); err != nil {
		return nil, err
	}
	var alone []string
	for _, kind := range v.Namespaces.Kinds() {
		f, err := v.Open(kind)
		if err != nil {
			return nil, err
		}
		if threadless.Has(kind) {
			alone = append(alone, fmt.Sprintf("--%s=/proc/self/fd/%d", kind, visitFD+len(visitor.Files)))
		}
		visitor.Files = append(visitor.Files, f)
	}
	if err = visitor.begin(alone); err != nil {
		return nil, err
	}
	if t.Move {
		links := []string{"root", "cwd"}
		if v.AtRoot {
			links[1] = "root"
		}
		err = visitor.place(v.At, links)
	}
	if err == nil && v.Held != nil {
		err = stillThere(v.Held)
	}
	return visitor, err
}

// threadless are the namespaces that only a process of one thread can enter (setns(2)).
const threadless = NewUser | NewTime

// begin puts util-linux before the program, for the namespaces that no Go program can
// enter.
func (v *Visitor) begin(namespaces []string) error {
	if len(namespaces) == 0 {
		return nil
	}
	path, err := exec.LookPath("nsenter")
	if err != nil {
		return fmt.Errorf("cannot enter a user or time namespace: %w", err)
	}
	v.Args = append(append([]string{"nsenter", "--preserve-credentials"}, namespaces...), "--", v.Path, VisitorName)
	v.Path = path
	return nil
}

// place adds the directories of the process.
func (v *Visitor) place(pid int, links []string) error {
	for _, link := range links {
		path := fmt.Sprintf("/proc/%d/%s", pid, link)
		fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) // asks no filesystem of its
		if err != nil {
			return fmt.Errorf("cannot go where it is: %w", err)
		}
		v.Files = append(v.Files, os.NewFile(uintptr(fd), path))
	}
	return nil
}

// tell adds the task as a file in memory. A pipe would hold 64 KiB of it and then wait
// for a reader that is not there yet.
func (v *Visitor) tell(t task) error {
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("task", unix.MFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "task")
	v.Files = append(v.Files, f)
	if _, err = f.Write(text); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("cannot write the task: %w", err)
	}
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
	return os.Args[0] == VisitorName || len(os.Args) == 2 && os.Args[1] == VisitorName
}

// Arrival is a visitor, seen by itself.
type Arrival struct{ task task }

// Arrive reads the task. No descriptor but stdio survives an execve from here on.
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

// Confined reports whether the errand comes from where the visitor goes: it must not be
// looked at before Enter has returned.
func (a *Arrival) Confined() bool { return a.task.Confine }

// Errand reads the errand.
func (a *Arrival) Errand(into any) error {
	if err := json.Unmarshal(a.task.Errand, into); err != nil {
		return fmt.Errorf("cannot read the errand: %w", err)
	}
	return nil
}

// Enter takes the calling thread where the visit leads, and what it starts. Its
// goroutine must be locked to it. Other threads stay where they were, with all rights:
// no other goroutine may act for the errand. After an error the process must not go on.
func (a *Arrival) Enter() error {
	next := uintptr(visitFD + 1)
	file := func(name string) *os.File {
		f := os.NewFile(next, name)
		next++
		return f
	}
	for _, kind := range a.task.Namespaces.Kinds() {
		ns := file("namespace")
		if !threadless.Has(kind) { // where the process is already
			if err := Enter(kind, ns); err != nil {
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
			return fmt.Errorf("cannot go where it is: %w", err)
		}
	}
	if a.task.Confine {
		return a.task.Limits.Confine()
	}
	return nil
}

// moveTo makes root the root directory of the calling thread, and dir its working
// directory. It stops sharing both with other threads.
func moveTo(root, dir *os.File) error {
	here, err := os.Stat("/")
	if err != nil {
		return err
	}
	there, err := root.Stat()
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 && os.SameFile(here, there) { // it can go to no other
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
