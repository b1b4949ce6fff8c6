//go:build linux

package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// visits are what clients have seen.
type visits struct {
	Served, Lost int
	Slowest      time.Duration
	Answers      map[string]int // by their last line
	Errors       map[string]int
}

// clients is the role of some clients that ask an address for a page, one connection for
// each request, until the input ends. They write a line with the tally for each line there.
func clients() error {
	var mu sync.Mutex
	t := visits{Answers: map[string]int{}, Errors: map[string]int{}}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	for range 4 {
		go func() {
			for ctx.Err() == nil {
				begun := time.Now()
				answer, err := page(os.Args[1])
				mu.Lock()
				if err == nil {
					t.Served++
					t.Answers[answer]++
				} else {
					t.Lost++
					t.Errors[err.Error()]++
				}
				t.Slowest = max(t.Slowest, time.Since(begun))
				mu.Unlock()
				time.Sleep(2 * time.Millisecond)
			}
		}()
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		mu.Lock()
		text, err := json.Marshal(t)
		t = visits{Answers: map[string]int{}, Errors: map[string]int{}}
		mu.Unlock()
		if err != nil {
			return err
		}
		fmt.Println(string(text))
	}
	return nil
}

// page asks for a page and returns its last line.
func page(address string) (string, error) {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	conn, err := net.DialTimeout(network, address, patience)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: story\r\nConnection: close\r\n\r\n"); err != nil {
		return "", err
	}
	text, err := io.ReadAll(conn)
	status, _, _ := strings.Cut(string(text), "\r\n")
	if err == nil && !strings.Contains(status, " 200 ") {
		err = fmt.Errorf("the status is %q", status)
	}
	said := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.TrimSpace(said[len(said)-1]), err
}

// visitors are such clients inside a world.
type visitors struct {
	t   testing.TB
	in  io.WriteCloser
	out *bufio.Reader
}

// visited has clients ask an address until the test ends.
func (w *world) visited(address string) *visitors {
	w.t.Helper()
	cmd := w.inside(storyProgram, address)
	cmd.Env = append(cmd.Env, roleEnv+"=clients")
	return w.visitedBy(cmd)
}

func (w *world) visitedBy(cmd *exec.Cmd) *visitors {
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	return &visitors{w.t, in, bufio.NewReader(out)}
}

// tally is what they have seen since the last call.
func (v *visitors) tally() (t visits) {
	v.t.Helper()
	if _, err := io.WriteString(v.in, "\n"); err != nil {
		v.t.Fatal(err)
	}
	line, err := v.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &t)
	}
	if err != nil {
		v.t.Fatal(err)
	}
	return t
}

// settle waits until they have been served a few times. Each tally counts from the one before.
func (v *visitors) settle() {
	v.t.Helper()
	served := 0
	eventually(v.t, "it serves", func() bool {
		served += v.tally().Served
		return served > 10
	})
}

// leave ends the clients.
func (v *visitors) leave() { v.in.Close() }

// served checks that no request was lost since the last call, and that each answer was the
// one wanted.
func (v *visitors) served(what string, answers ...string) {
	v.t.Helper()
	v.servedBut(what, 0, answers...)
}

// servedBut is served for a program that itself may lose some requests.
func (v *visitors) servedBut(what string, excused int, answers ...string) {
	v.t.Helper()
	t := v.tally()
	v.t.Logf("%s: %d served, %d lost, the slowest took %v", what, t.Served, t.Lost, t.Slowest.Round(time.Millisecond))
	if t.Lost > excused || t.Served == 0 {
		v.t.Errorf("%s: %+v", what, t)
	}
	for answer := range t.Answers {
		if !slices.Contains(answers, answer) {
			v.t.Errorf("%s: %q answered %d times", what, answer, t.Answers[answer])
		}
	}
}
