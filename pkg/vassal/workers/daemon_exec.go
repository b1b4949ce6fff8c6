package workers

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/accounts"
	"github.com/emperor-go/emperor/internal/programs"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// startDaemon starts a program next to the workers. A daemon with a pid file outlives this
// process. To daemonize a program, the master only writes its pid file: it adopts every process
// that goes into the background.
func (p *Processes) startDaemon(s Spec) (int, error) {
	d, words := s.Daemon, s.Daemon.Command
	if d.Shell {
		words = []string{hooks.Shell(s.Shells), "-c", traps(d) + d.Text}
	}
	path, err := programs.Find(words[0])
	if err != nil {
		return 0, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	files := []uintptr{null.Fd(), 1, 2}
	if d.Stdin {
		files[0] = 0
	}
	sys := &syscall.SysProcAttr{Setsid: true}
	if d.NewPID {
		sys.Cloneflags = syscall.CLONE_NEWPID
	}
	if d.Pidfile == "" {
		sys.Pdeathsig = syscall.SIGKILL
	}
	if d.UID.Set || d.GID.Set {
		c, err := accounts.Wish{UID: d.UID, GID: d.GID}.Resolve()
		if err != nil {
			return 0, err
		}
		sys.Credential = &syscall.Credential{Uid: c.UID, Gid: c.GID, Groups: c.Groups}
	}
	dir := s.Dir
	if d.Dir != "" {
		dir = d.Dir
	}
	if limits := s.Program.Limits; !limits.None() {
		order := stageOrder{Path: path, Args: words, Limits: limits}
		text, err := order.memfd()
		if err != nil {
			return 0, err
		}
		defer text.Close()
		path, words = p.Self, []string{StageName, strconv.Itoa(len(files))}
		files = append(files, text.Fd())
	}
	pid, err := start(path, words, &syscall.ProcAttr{Env: s.Env, Dir: dir, Files: files, Sys: sys})
	if d.NewPID && errors.Is(err, unix.EPERM) {
		return 0, fmt.Errorf("%w (ns_pid takes root's rights: drop it, or give the vassal namespaces of its own)", err)
	}
	if err == nil && d.Daemonize {
		err = os.WriteFile(d.Pidfile, []byte(strconv.Itoa(pid)+"\n"), 0o644)
	}
	return pid, err
}

// traps returns the first line of a script for a shell, which keeps the shell alive when the whole group
// gets the reload signal. There is none for the signal that ends the group (leader.graceful).
func traps(d *config.Daemon) string {
	if d.ReloadSignal == 0 {
		return ""
	}
	return fmt.Sprintf("trap : %d\n", d.ReloadSignal)
}
