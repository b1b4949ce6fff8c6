package emperor

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/emperor-go/emperor/internal/claims"
	"github.com/emperor-go/emperor/pkg/emperor/monitor"
)

// place puts a file of a directory into a monitor's set, by a name that the monitor gives it.
func place(m *monitor.Static, name string, dir uint64, file string) {
	m.Put(at(name, dir, file))
	synctest.Wait()
}

func at(name string, dir uint64, file string) monitor.Config {
	c := monitor.Text(name, name)
	c.Entry = monitor.Entry{Dir: claims.Dir{Device: 1, Inode: dir}, Name: file}
	return c
}

// setsMonitor reports sets as they come.
type setsMonitor chan monitor.Set

func (setsMonitor) String() string { return "sets" }
func (m setsMonitor) Run(ctx context.Context, report func(monitor.Set)) error {
	for {
		select {
		case s := <-m:
			report(s)
		case <-ctx.Done():
			return nil
		}
	}
}

// One file is one vassal, by the name that was found first, and by another name
// when that is gone.
func TestFileInTwoMonitors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := monitor.NewStatic("glob://v/*.ini")
		s := play(t, func(o *Options) { o.Monitors = append(o.Monitors, second) })
		place(s.monitor, "a.ini", 7, "a.ini")
		place(second, "v/a.ini", 7, "a.ini")
		place(second, "v/b.ini", 7, "b.ini")
		s.expect(t, "launch a.ini#1 a.ini, launch v/b.ini#1 v/b.ini")
		if ignored := strings.Join(s.record(t, "a.ini").Ignored, " "); ignored != "/v/a.ini" {
			t.Errorf("ignored is %q", ignored)
		}
		if n := strings.Count(s.log.String(), "its file is found by another name as well; that name is ignored ignored=v/a.ini"); n != 1 {
			t.Errorf("it is told %d times:\n%s", n, s.log)
		}
		s.remove("a.ini")
		s.expect(t, "dead a.ini#1 exit status 0, clear a.ini#1, launch v/a.ini#1 v/a.ini")
		place(s.monitor, "a.ini", 7, "a.ini")
		s.expect(t, "")
		s.stop()
	})
}

// So is one that a monitor finds by two names, as where a directory is linked.
func TestFileOfTwoNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(t, nil)
		place(s.monitor, "x/a.ini", 7, "a.ini")
		place(s.monitor, "link/a.ini", 7, "a.ini")
		place(s.monitor, "y/a.ini", 8, "a.ini")
		s.expect(t, "launch x/a.ini#1 x/a.ini, launch y/a.ini#1 y/a.ini")
		place(s.monitor, "y/a.ini", 7, "a.ini") // a directory in place of which there is a link now
		s.expect(t, "dead y/a.ini#1 exit status 0, clear y/a.ini#1")
		if ignored := strings.Join(s.record(t, "x/a.ini").Ignored, " "); ignored != "/link/a.ini /y/a.ini" {
			t.Errorf("ignored is %q", ignored)
		}
		s.remove("x/a.ini")
		s.expect(t, "dead x/a.ini#1 exit status 0, clear x/a.ini#1, launch link/a.ini#1 link/a.ini")
		s.stop()
	})
}

// Directories that change places stop no vassal, and one that is renamed takes its vassals
// along.
func TestFilesThatChangePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sets := make(setsMonitor)
		s := play(t, func(o *Options) { o.Monitors = []monitor.Monitor{sets} })
		report := func(set ...monitor.Config) { sets <- set; synctest.Wait() }
		report(at("x/a.ini", 7, "a.ini"))
		report(at("x/a.ini", 7, "a.ini"), at("y/a.ini", 8, "a.ini"))
		s.expect(t, "launch x/a.ini#1 x/a.ini, launch y/a.ini#1 y/a.ini")
		report(at("x/a.ini", 8, "a.ini"), at("y/a.ini", 7, "a.ini"))
		s.expect(t, "")
		report(at("w/a.ini", 8, "a.ini"), at("y/a.ini", 7, "a.ini"))
		s.expect(t, "dead x/a.ini#1 exit status 0, clear x/a.ini#1, launch w/a.ini#1 w/a.ini")
		s.stop()
	})
}
