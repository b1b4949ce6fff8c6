package vassal

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/vassal/workers"
	"github.com/emperor-go/emperor/pkg/wire"
)

// serve supervises the workers until this process is asked to stop. The vassal is the parent of
// all orphans in its namespace, or makes itself that, and reaps them.
func (v *vassal) serve() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot adopt orphans: %w", err)
	}
	plan, err := v.planOf(v.options, v.sockets.sets)
	if err != nil {
		return err
	}
	o := workers.Options{
		Plan: plan, Read: v.reread, System: &workers.Processes{Self: v.programs.self}, Signals: v.signals.arrived, Commands: v.link.commands,
		Orders: v.link.receiveOrders(), Report: v.report, Answer: v.link.answer, Again: v.signals.end().reload,
		ReportDeaths: v.link.reportDeaths, Gap: v.link.reportGap, ReportEnd: v.link.reportEnd, Log: v.log,
	}
	if order := v.source.order; order != nil {
		o.Serial, o.Trial = order.Serial, order.Trial
	}
	v.stage = stageServing
	v.sockets.gate.serve(v.log)
	outset.Reserve(threads)
	v.progress.at("the workers", false)
	err = workers.Run(o)
	endOrphans(outlasting(v.options.Daemons))
	return err
}

// threads is how many threads a master has beside its first: for the work of starting, ending and
// checking workers, and one that nothing else needs. A master therefore survives when the kernel
// has no more of them, whatever its workers do.
const threads = 4

// report reports to the emperor. The boot is over when the vassal accepts.
func (v *vassal) report(r wire.Report) {
	if r == wire.Accepting {
		v.progress.end()
	}
	v.link.report(r)
}

// outlasting returns the processes that live on: daemons with a pid file.
func outlasting(daemons []config.Daemon) map[int]bool {
	pids := map[int]bool{}
	for _, d := range daemons {
		if d.Pidfile != "" {
			pids[workers.PidOf(d.Pidfile)] = true
		}
	}
	return pids
}

// endOrphans ends the processes that workers have left, when no pid namespace ends them with this
// process. They are its children, because it adopts orphans.
func endOrphans(spared map[int]bool) {
	if os.Getpid() == 1 {
		return
	}
	for {
		children, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", unix.Gettid()))
		if err != nil {
			return
		}
		left := 0
		for _, word := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(word); err == nil && !spared[pid] {
				left = pid
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if left == 0 {
			return
		}
		if _, err := syscall.Wait4(left, nil, 0, nil); err != nil && err != syscall.EINTR {
			return
		}
	}
}
