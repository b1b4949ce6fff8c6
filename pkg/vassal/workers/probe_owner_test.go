package workers

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// parent starts a shell with a child, and returns both.
func parent(t *testing.T) (pid, child int) {
	t.Helper()
	cmd := exec.Command("sh", "-c", "sleep 1000 & echo $!; wait")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 32)
	n, _ := out.Read(line)
	if child, err = strconv.Atoi(string(line[:n-1])); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p, err := os.FindProcess(child); err == nil {
			_ = p.Kill()
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid, child
}

// What a descendant of a worker has is the worker's; what cannot be read is so only where
// no other could have it.
func TestWhoAnswers(t *testing.T) {
	fresh, freshChild := parent(t)
	old, oldChild := parent(t)
	orphan, _ := parent(t) // a child of the master that is neither: born since
	q := Question{Members: func(context.Context) (Members, error) {
		return Members{Crew: []int{fresh}, Others: []int{old}}, nil
	}}
	for name, tt := range map[string]struct {
		has    []int
		sealed []int
		ours   bool
	}{
		"the worker":         {has: []int{fresh}, ours: true},
		"its child":          {has: []int{freshChild}, ours: true},
		"an orphan":          {has: []int{orphan}, ours: true},
		"the old":            {has: []int{old}},
		"its child too":      {has: []int{oldChild}},
		"both":               {has: []int{fresh, old}, ours: true},
		"none":               {},
		"sealed":             {sealed: []int{freshChild}, ours: true},
		"sealed, old has it": {sealed: []int{fresh}, has: []int{oldChild}},
		"both sealed":        {sealed: []int{fresh, old}},
		"the old is sealed":  {sealed: []int{old}},
	} {
		has := func(pid int) (bool, error) {
			for _, p := range tt.sealed {
				if p == pid {
					return false, os.ErrPermission
				}
			}
			for _, p := range tt.has {
				if p == pid {
					return true, nil
				}
			}
			return false, nil
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		err := (&ownerSearch{question: q}).belongs(ctx, has)
		cancel()
		if tt.ours != (err == nil) || err != nil && !errors.Is(err, errOther) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
