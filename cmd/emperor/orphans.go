package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// orphanPause is the time between two looks for dead orphans.
const orphanPause = 5 * time.Second

// reapOrphans reaps what this process adopted, until ctx ends. Its own children
// are all held by a pidfd, and left to who holds them: an orphan is a dead child
// that nobody here holds.
func reapOrphans(ctx context.Context) {
	ticker := time.NewTicker(orphanPause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		dead := deadChildren()
		if len(dead) == 0 {
			continue
		}
		held := heldProcesses()
		for _, pid := range dead {
			if !held[pid] {
				_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
			}
		}
	}
}

// deadChildren lists the children of this process that wait to be reaped.
func deadChildren() (dead []int) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	for _, t := range threads {
		children, err := os.ReadFile("/proc/self/task/" + t.Name() + "/children")
		if err != nil {
			continue
		}
		for word := range strings.FieldsSeq(string(children)) {
			if pid, err := strconv.Atoi(word); err == nil && isZombie(pid) {
				dead = append(dead, pid)
			}
		}
	}
	return dead
}

// isZombie reads the state behind the name in proc_pid_stat(5).
func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	return err == nil && ok && strings.HasPrefix(rest, "Z")
}

// heldProcesses lists those that a pidfd of this process refers to.
func heldProcesses() map[int]bool {
	held := map[int]bool{}
	fds, err := os.ReadDir("/proc/self/fdinfo")
	if err != nil {
		return held
	}
	for _, fd := range fds {
		info, err := os.ReadFile("/proc/self/fdinfo/" + fd.Name())
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(info)) {
			if text, ok := strings.CutPrefix(line, "Pid:"); ok {
				if pid, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
					held[pid] = true
				}
			}
		}
	}
	return held
}
