//go:build linux

package integration

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// The signals of uWSGI's Emperor.
func TestSignalsOfAnOperator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const vassals = 12
	for i := range vassals {
		w.vassal(fmt.Sprintf("v%d.ini", i), serves)
	}
	w.vassal("bad.ini", "exec-as-root = test -e "+w.path("mended"), serves)
	e := w.start("--emperor-use-clone=fs,uts,net,ipc", "--emperor-freq", "0", "--emperor-throttle", "3600000", "--emperor-max-throttle", "3600000")
	pids := map[string]int{}
	for i := range vassals {
		pids[fmt.Sprintf("v%d.ini", i)] = e.running(fmt.Sprintf("v%d.ini", i))
	}
	e.await("bad.ini", "-> backoff")

	e.signal(syscall.SIGHUP) // reload all
	e.await("", "SIGHUP: reloading all vassals")
	for name, pid := range pids {
		e.await(name, "reloading -> running")
		if !alive(pid) {
			t.Errorf("%s has another process", name)
		}
	}

	e.signal(syscall.SIGUSR1) // print the status
	e.await("bad.ini", `"msg":"status"`)
	e.await("v1.ini", `"msg":"status"`)

	w.write("mended", "")
	e.signal(syscall.SIGURG) // forget failures
	e.await("", "SIGURG: forgetting failures")
	e.running("bad.ini")
	e.signal(syscall.SIGUSR2) // there are none
	e.await("", "SIGUSR2: forgetting failures")

	// No event reports another file system over the directory, and a file in it.
	w.run("mount -t tmpfs upper " + w.vassals + " && printf '[uwsgi]\ncommand = sleep 1000000\n' >" + w.vassals + "/only.ini")
	e.signal(syscall.SIGWINCH)
	e.running("only.ini")
	for name := range pids {
		e.gone(name)
	}
	w.run("umount -l " + w.vassals) // its vassal is in it
	e.signal(syscall.SIGWINCH)      // rescan
	e.await("", "SIGWINCH: rescanning the monitored directories")
	for name := range pids {
		e.running(name)
	}
	e.stop(syscall.SIGTERM)
}

// The name of the emperor's process, its pid file, and the adoption of orphans.
func TestEmperorsOwnProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pidfile := w.path("pid")
	w.vassal("a.ini", "exec-as-root = (setsid sh -c 'echo orphan $$ >"+w.path("orphan")+"; sleep 1' &)", serves)
	e := w.start("--emperor-pidfile", pidfile, "--emperor-procname", "governor", "--emperor-subreaper")
	e.running("a.ini")
	if text, err := os.ReadFile(pidfile); err != nil || strings.TrimSpace(string(text)) != fmt.Sprint(e.pid()) {
		t.Errorf("the pid file has %q, %v; the emperor is %d", text, err, e.pid())
	}
	if name := status(t, e.pid(), "Name"); name != "governor" {
		t.Errorf("the process is called %q", name)
	}
	w.reaches(w.path("orphan"), "orphan ")
	text, err := os.ReadFile(w.path("orphan"))
	if err != nil {
		t.Fatal(err)
	}
	var orphan int
	if _, err := fmt.Sscanf(string(text), "orphan %d", &orphan); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the orphan is reaped", func() bool { _, err := os.Stat(fmt.Sprintf("/proc/%d", orphan)); return os.IsNotExist(err) })
	e.stop(syscall.SIGTERM)
	if _, err := os.Stat(pidfile); err == nil {
		t.Error("the pid file is left")
	}
}

// At a graceful shutdown each vassal gets byte 2 instead of the stop byte.
func TestGracefulShutdown(t *testing.T) {
	needsUwsgi(t)
	t.Parallel()
	for args, want := range map[string]string{"--emperor-freq=30": "received message 0 from emperor", "--emperor-graceful-shutdown": "received message 2 from emperor"} {
		w := newWorld(t)
		w.peer("app.ini", "socket = "+w.path("s/app"))
		e := w.start("--emperor-wrapper", uwsgi, args)
		e.running("app.ini")
		e.stop(syscall.SIGTERM)
		e.await("app.ini", want)
	}
}

// The arguments of a vassal's start and stop hooks, as in uWSGI, and the exit cause.
func TestVassalsStartAndStopHooks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	script := w.path("tell.sh")
	w.script(script, `echo "told $1 cause=$UWSGI_VASSAL_EXIT_CAUSE code=$UWSGI_VASSAL_EXIT_CODE signal=$UWSGI_VASSAL_EXIT_SIGNAL in $UWSGI_VASSALS_DIR"`)
	w.vassal("a.ini", serves)
	w.vassal("dies.ini", "unprivileged-binary-patch-arg = sh -c 'sleep 0.3; exit 7'")
	e := w.start(allNamespaces, "--emperor-throttle", "60000", "--vassals-start-hook", script, "--vassals-stop-hook", script)
	e.await("a.ini", "told a.ini cause= code= signal= in "+w.vassals)
	pid := e.running("a.ini")
	e.await("dies.ini", "told dies.ini cause= code= signal=")
	e.await("dies.ini", "told dies.ini cause=failed code=7 signal= in "+w.vassals)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	e.await("a.ini", "told a.ini cause=failed code= signal=9")
	w.succeed("start", "a.ini")
	e.running("a.ini")
	e.remove("a.ini")
	e.await("a.ini", "told a.ini cause=stopped code=0 signal=")
	e.gone("a.ini")
	e.stop(syscall.SIGTERM)
}
