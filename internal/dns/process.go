package dns

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/goprocs"
)

// process is a running responder.
type process struct {
	cmd     *exec.Cmd
	control net.Conn
	ended   chan error // has room for one
	reader  sync.WaitGroup
	stderr  *os.File
}

// startTime bounds the start of the process, and tellTime one message.
const (
	startTime = 10 * time.Second
	tellTime  = 10 * time.Second
)

// begin starts the process with its table, and returns when it answers.
func (r *Responder) begin() (_ *process, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control of "+ProgramName)
	defer theirs.Close()
	control, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, err
	}
	stderr, write, err := os.Pipe()
	if err != nil {
		control.Close()
		return nil, err
	}
	defer write.Close()
	p := &process{control: control, ended: make(chan error, 1), stderr: stderr}
	p.cmd = &exec.Cmd{
		Path: r.program, Args: []string{ProgramName}, Env: goprocs.Idle(nil), Dir: "/", Stderr: write,
		ExtraFiles: append([]*os.File{theirs, r.root}, r.sockets...),
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the emperor, which ends it

	if err := p.cmd.Start(); err != nil {
		control.Close()
		stderr.Close()
		return nil, fmt.Errorf("cannot start %s: %w", ProgramName, err)
	}
	write.Close()
	var last string // of its words; complete when reader has ended
	p.reader.Go(func() { last = p.listen(r.log) })
	_ = control.SetReadDeadline(time.Now().Add(startTime))
	if err = p.send(append(r.whole(), Message{Sync: true})); err == nil {
		_, err = io.ReadFull(control, make([]byte, 1))
	}
	if err != nil {
		p.end()
		if last != "" {
			err = errors.New(last)
		}
		return nil, fmt.Errorf("cannot start %s: %w", ProgramName, err)
	}
	_ = control.SetReadDeadline(time.Time{})
	go func() {
		_, _ = control.Read(make([]byte, 1)) // it never writes again
		p.ended <- errors.New("its channel is closed")
	}()
	return p, nil
}

// send sends messages. A process that does not read them in time is as good as dead.
func (p *process) send(list []Message) error {
	w := bufio.NewWriter(p.control)
	_ = p.control.SetWriteDeadline(time.Now().Add(tellTime))
	e := json.NewEncoder(w)
	for _, m := range list {
		if err := e.Encode(m); err != nil {
			return fmt.Errorf("it does not read its table: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("it does not read its table: %w", err)
	}
	return nil
}

// lineLength and lineCount limit the log of one process: it works on bytes of vassals.
const (
	lineLength = 1 << 10
	lineCount  = 20
)

// listen logs the output of the process, and returns the first line.
func (p *process) listen(log *slog.Logger) (first string) {
	defer p.stderr.Close()
	lines := bufio.NewScanner(p.stderr)
	lines.Buffer(nil, lineLength)
	for n := 0; lines.Scan(); n++ {
		if n == 0 {
			first = lines.Text()
		}
		if n < lineCount {
			log.Warn("the process that answers names: " + lines.Text())
		}
	}
	_, _ = io.Copy(io.Discard, p.stderr)
	return first
}

// end kills the process and reaps it.
func (p *process) end() {
	p.control.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.reader.Wait()
}
