//go:build linux

package integration

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// contender is a kind of emperor in a benchmark: ours, or uWSGI's.
type contender struct {
	name string
	// command runs it over the vassals of a world, with additional options.
	command func(w *world, options ...string) *exec.Cmd
	// ready is in its log each time a vassal becomes ready, and reloaded each time a vassal
	// has reloaded.
	ready, reloaded string
	stop            syscall.Signal
}

// contenders are ours and, if it is installed, uWSGI's.
func contenders(b *testing.B) []contender {
	list := []contender{{
		"ours", func(w *world, options ...string) *exec.Cmd {
			return w.inside(program("emperor"), append(options, allNamespaces, w.vassals)...)
		}, "-> running", "reloading -> running", syscall.SIGTERM,
	}}
	path, err := exec.LookPath("uwsgi")
	if err != nil {
		b.Log("there is no uwsgi to compare with")
		return list
	}
	return append(list, contender{
		"uwsgi", func(w *world, options ...string) *exec.Cmd {
			return w.inside(path, append(options, "--emperor", w.vassals, allNamespaces)...)
		}, "is ready to accept requests", "is ready to accept requests", syscall.SIGINT,
	})
}

// contest is a contender that runs.
type contest struct {
	contender
	w     *world
	cmd   *exec.Cmd
	log   *os.File
	lines chan string
}

// run starts a contender. The caller ends it.
func (c contender) run(w *world, options ...string) *contest {
	w.t.Helper()
	r := &contest{c, w, c.command(w, options...), nil, make(chan string, 1<<16)}
	r.log = w.begin(r.cmd)
	go func() {
		defer close(r.lines)
		for in := bufio.NewScanner(r.log); in.Scan(); {
			select {
			case r.lines <- in.Text():
			default: // no line is awaited any more
			}
		}
	}()
	return r
}

// await returns when n further lines of the log contain a text.
func (r *contest) await(text string, n int) {
	r.w.t.Helper()
	for late := time.After(3 * patience); n > 0; {
		select {
		case line, more := <-r.lines:
			if !more {
				r.w.t.Fatalf("%s has ended", r.name)
			}
			if strings.Contains(line, text) {
				n--
			}
		case <-late:
			r.w.t.Fatalf("%s did not say %q %d times more", r.name, text, n)
		}
	}
}

// end stops it and returns the time until everything was gone.
func (r *contest) end() time.Duration {
	r.w.t.Helper()
	defer r.log.Close()
	begin := time.Now()
	_ = r.cmd.Process.Signal(r.stop)
	_ = r.cmd.Wait()
	eventually(r.w.t, "all of it is gone", func() bool { return len(r.w.processes()) == 0 })
	return time.Since(begin)
}

// ratio reports a figure of ours and of uWSGI's, and the quotient of the two.
func ratio(b *testing.B, unit string, figures map[string]float64) {
	for name, figure := range figures {
		b.ReportMetric(figure, name+"-"+unit)
	}
	if theirs := figures["uwsgi"]; theirs > 0 {
		b.ReportMetric(figures["ours"]/theirs, "ratio-"+unit)
	}
}
