//go:build linux

package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// No request is lost while the built-in server is reloaded again and again: on new and on kept connections, by
// unix and by TCP sockets, of the server alone and of two servers below a master. make soak sends a million to each.
func TestRequestsOverReloads(t *testing.T) {
	t.Parallel()
	total := 20_000
	if os.Getenv(soakEnv) != "" {
		total = 1_000_000
	}
	for name, more := range map[string][]string{"alone": nil, "below a master": {"processes = 2"}} {
		t.Run(name, func(t *testing.T) {
			if os.Getenv(soakEnv) == "" {
				t.Parallel()
			}
			w := newWorld(t)
			w.run("mkdir " + w.path("0") + " " + w.path("1"))
			w.write("0/a.txt", "0")
			w.write("1/a.txt", "1")
			file := func(version int) {
				w.vassal("a.ini", append([]string{
					"uid = 4001", "gid = 4001", "disable-logging = true", "http-socket = " + w.path("s/web"), "chmod-socket = 666", "http-socket = 127.0.0.1:8080",
					fmt.Sprintf("static-map = /=%s", w.path(strconv.Itoa(version))),
				}, more...)...)
			}
			file(0)
			e := w.start(sharesNetwork, "--emperor-change-pause", "0")
			pid := e.running("a.ini")
			ended, reloads, began := w.asked(total, w.path("s/web"), "127.0.0.1:8080"), 0, time.Now()
			var seen visits
			for answered := false; !answered; reloads++ {
				file((reloads + 1) % 2)
				e.await("a.ini", `"msg":"reloaded"`)
				select {
				case seen = <-ended:
					answered = true
				default:
				}
			}
			t.Logf("FIGURES %s: %d requests over %d reloads in %v, %d lost, the slowest took %v", name, seen.Served+seen.Lost, reloads,
				time.Since(began).Round(time.Second), seen.Lost, seen.Slowest.Round(time.Microsecond))
			if seen.Lost != 0 || seen.Served < total || reloads < 2 || seen.Answers["0"] == 0 || seen.Answers["1"] == 0 || len(seen.Answers) != 2 {
				t.Errorf("%d reloads: %+v", reloads, seen)
			}
			e.undisturbed("a.ini", pid)
		})
	}
}

// asked has clients inside the world send that number of requests in all to the addresses. The channel gets
// their tally.
func (w *world) asked(total int, addresses ...string) <-chan visits {
	w.t.Helper()
	cmd := w.inside(storyProgram, append([]string{strconv.Itoa(total)}, addresses...)...)
	cmd.Env = append(cmd.Env, roleEnv+"=askers")
	v := w.visitedBy(cmd)
	ended := make(chan visits, 1)
	go func() {
		var t visits
		if err := json.NewDecoder(v.out).Decode(&t); err != nil {
			t.Errors = map[string]int{err.Error(): 1}
			t.Lost++
		}
		ended <- t
	}()
	return ended
}

// askers is the role of clients that ask addresses for /a.txt until a number of requests is reached: for each
// address four with a connection for each request, and four that keep theirs as long as the server does.
func askers() error {
	total, err := strconv.ParseInt(os.Args[1], 10, 64)
	if err != nil {
		return err
	}
	var (
		left atomic.Int64
		mu   sync.Mutex
		all  sync.WaitGroup
	)
	left.Store(total)
	t := visits{Answers: map[string]int{}, Errors: map[string]int{}}
	for i, address := range os.Args[2:] {
		for n := range 8 {
			all.Go(func() {
				a := asker{address: address, keeps: n%2 == 0}
				defer a.close()
				for left.Add(-1) >= 0 {
					begun := time.Now()
					answer, err := a.ask()
					mu.Lock()
					if t.Slowest = max(t.Slowest, time.Since(begun)); err == nil {
						t.Served++
						t.Answers[answer]++
					} else {
						t.Lost++
						t.Errors[fmt.Sprintf("address %d, kept %v: %v", i, a.keeps, err)]++
					}
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(t)
}

// asker is one such client. It does not repeat a request.
type asker struct {
	address string
	keeps   bool
	conn    net.Conn // nil: the next request needs a new one
	in      *bufio.Reader
}

func (a *asker) close() {
	if a.conn != nil {
		a.conn.Close()
	}
	a.conn = nil
}

// ask returns the body of an answer with the status 200.
func (a *asker) ask() (body string, err error) {
	defer func() {
		if err != nil || !a.keeps {
			a.close()
		}
	}()
	if a.conn == nil {
		network := "tcp"
		if strings.HasPrefix(a.address, "/") {
			network = "unix"
		}
		if a.conn, err = net.DialTimeout(network, a.address, patience); err != nil {
			a.conn = nil
			return "", err
		}
		a.in = bufio.NewReader(a.conn)
	}
	_ = a.conn.SetDeadline(time.Now().Add(patience))
	request := "GET /a.txt HTTP/1.1\r\nHost: story\r\n\r\n"
	if !a.keeps {
		request = "GET /a.txt HTTP/1.1\r\nHost: story\r\nConnection: close\r\n\r\n"
	}
	if _, err := io.WriteString(a.conn, request); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(a.in, nil)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("the status is %s", answer.Status)
	}
	if answer.Close {
		a.close()
	}
	return string(text), err
}
