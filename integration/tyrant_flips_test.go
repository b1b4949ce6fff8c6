//go:build linux

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// uidOf returns the effective user of a process; false: it has ended.
func uidOf(pid int) (int, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if words := strings.Fields(line(string(text), "Uid:")); err == nil && len(words) == 4 {
		uid, err := strconv.Atoi(words[1])
		return uid, err == nil
	}
	return 0, false
}

// usersOf returns the users of a vassal's first process, of the bytes of its file, which the argument of its program sleep tells (1000000 and the
// number of the user), and of that program. It waits for the shell to become that program; false: the vassal ended before.
func usersOf(pid int) (first, of, program int, runs bool) {
	for range 2000 {
		first, alive := uidOf(pid)
		if !alive {
			break
		}
		for _, child := range children(pid) {
			command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
			_, argument, found := bytes.Cut(bytes.Trim(command, "\x00"), []byte("sleep\x00"))
			of, err := strconv.Atoi(string(argument))
			if program, runs := uidOf(child); found && err == nil && runs {
				return first, of - 1000000, program, true
			}
		}
		time.Sleep(time.Millisecond)
	}
	return 0, 0, 0, false
}

// ownersOf compares, at each "-> running" of a vassal, the users of its first process and of its program with the user to whom the bytes of its
// file belong.
func (e *emperor) ownersOf(vassal string, stop <-chan struct{}) (compared int, wrong []string) {
	next := 0
	for last := false; ; {
		e.mu.Lock()
		news, records := e.news, e.records[next:]
		next = len(e.records)
		e.mu.Unlock()
		for _, r := range records {
			if r.Vassal != vassal || !strings.Contains(r.raw, "-> running") {
				continue
			}
			first, of, program, runs := usersOf(r.PID)
			if !runs {
				continue
			}
			if compared++; first != of || program != first || first == 33 {
				wrong = append(wrong, fmt.Sprintf("the bytes of %d run as %d and %d", of, first, program))
			}
		}
		if last {
			return compared, wrong
		}
		select {
		case <-news:
		case <-stop:
			last = true
		}
	}
}

// latencies are the times of requests to a neighbour, without and with a disturbance.
type latencies struct {
	disturbed atomic.Bool
	times     [2][]time.Duration
	failed    int
}

// ask requests a page again and again until stop is closed.
func (l *latencies) ask(socket string, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
		was, begin := l.disturbed.Load(), time.Now()
		err := requested(socket)
		took := time.Since(begin)
		switch {
		case err != nil:
			l.failed++
		case was == l.disturbed.Load():
			i := map[bool]int{true: 1}[was]
			l.times[i] = append(l.times[i], took)
		}
	}
}

func requested(socket string) error {
	c, err := net.DialTimeout("unix", socket, 10*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, "GET /page HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	text, err := io.ReadAll(c)
	if err == nil && !bytes.Contains(text, []byte(" 200 ")) {
		err = errors.New("no page")
	}
	return err
}

// p99 returns the time that 99 of 100 requests do not exceed.
func p99(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)*99/100]
}

// TestFlips: a file that turns into links, other kinds of files and files of other owners all the time never
// runs as another user than the owner of the bytes, in each of its processes. EMPEROR_SOAK=1 flips it more often, and compares
// the times of requests to a neighbour, in turns with and without flips.
func TestFlips(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flips := 300
	if os.Getenv(soakEnv) != "" {
		flips = 100_000
	}
	texts := map[int]string{}
	for _, uid := range []int{0, 33, 4001, 4002} {
		texts[uid] = ini(fmt.Sprintf("command = sh -c 'echo bytes of %d as `id -u`.; exec sleep %d'", uid, 1000000+uid))
		w.owned(w.path(fmt.Sprintf("of-%d.ini", uid)), uid, texts[uid])
	}
	w.write("s/page", "a page")
	w.tenant("neighbour.ini", 4002, "http-socket = "+w.path("s/http"), fmt.Sprintf(pages, w.path("s")))
	e := w.start(w.tyrant("--emperor-change-pause", "0", "--emperor-tyrant-root", "operator")...)
	neighbour := e.running("neighbour.ini")
	stop, owners := make(chan struct{}), make(chan int)
	go func() {
		compared, wrong := e.ownersOf("flip.ini", stop)
		for _, what := range wrong {
			t.Error(what)
		}
		owners <- compared
	}()
	var neighbours latencies
	asked := make(chan struct{})
	go func() { defer close(asked); neighbours.ask(w.path("s/http"), stop) }()
	path, part := w.vassals+"/flip.ini", w.vassals+"/.flip"
	for i := range flips {
		if i%1000 == 0 { // a turn without flips, as long as one with them
			neighbours.disturbed.Store(false)
			if flips > 1000 {
				time.Sleep(3 * time.Second)
			}
			neighbours.disturbed.Store(true)
		}
		uid := []int{4001, 4002, 0, 33}[i%4]
		of := w.path(fmt.Sprintf("of-%d.ini", uid))
		_ = os.Remove(part)
		var err error
		switch i / 4 % 6 {
		case 0:
			err = os.Symlink(of, part)
		case 1:
			if err = os.Symlink(of, part); err == nil {
				err = os.Lchown(part, 4001, 4001)
			}
		case 2:
			err = os.Link(of, part)
		case 3:
			err = syscall.Mkfifo(part, 0o644)
		case 4:
			err = syscall.Mknod(part, syscall.S_IFCHR|0o644, 1<<8|5)
		default:
			if err = os.WriteFile(part, []byte(texts[uid]), 0o644); err == nil {
				err = os.Chown(part, uid, uid)
			}
		}
		if err == nil {
			err = os.Rename(part, path)
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case i%min(500, flips/20) == 0: // some of them run
			time.Sleep(300 * time.Millisecond)
		case i%7 == 0:
			time.Sleep(20 * time.Millisecond)
		}
	}
	neighbours.disturbed.Store(false)
	_ = os.Remove(part)
	w.owned(path, 4001, texts[4001]+"; the end\n")
	e.await("flip.ini", "bytes of 4001 as 4001.")
	e.barrier()
	close(stop)
	<-asked
	if compared := <-owners; compared == 0 {
		t.Error("no running vassal was examined")
	} else {
		t.Logf("%d running vassals were examined", compared)
	}
	if neighbours.failed > 0 {
		t.Errorf("%d requests to the neighbour failed", neighbours.failed)
	}
	if flips > 1000 {
		base, beside := p99(neighbours.times[0]), p99(neighbours.times[1])
		t.Logf("the neighbour's p99 is %v, and %v beside flips (%d and %d requests)", base, beside, len(neighbours.times[0]), len(neighbours.times[1]))
		if beside > 2*base {
			t.Errorf("the neighbour's p99 is %v, and %v beside flips", base, beside)
		}
	}
	seen := map[string]bool{}
	e.mu.Lock()
	for _, r := range e.records {
		if _, said, ok := strings.Cut(r.Msg, "bytes of "); ok && r.Vassal == "flip.ini" {
			seen[said] = true
		}
	}
	e.mu.Unlock()
	for said := range seen {
		if who, as, _ := strings.Cut(strings.TrimSuffix(said, "."), " as "); who != as || who == "33" {
			t.Errorf("a file of uid %s runs as uid %s", who, as)
		}
	}
	e.undisturbed("neighbour.ini", neighbour)
}
