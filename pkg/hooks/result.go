package hooks

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"
)

// Result is the result of one hook.
type Result struct {
	Phase Phase `json:"phase"`
	// Index counts the hooks of the phase, from 1, in the order they run.
	Index int `json:"index"`
	// Text is the hook as logs may show it.
	Text string `json:"text"`
	// Exit is empty after success; otherwise it describes the failure, such as `exit status
	// 1`.
	Exit string `json:"exit,omitempty"`
	// Code is the exit status of the hook's program, or the code of an exit action. Signal is
	// the signal that ended the program. Zero: none.
	Code   int            `json:"code,omitempty"`
	Signal syscall.Signal `json:"signal,omitempty"`
	// Took is how long it ran.
	Took time.Duration `json:"took"`
}

// Running names the hook, for messages while it runs.
func (r Result) Running() string { return fmt.Sprintf("hook %s #%d (%s)", r.Phase, r.Index, r.Text) }

func resultOf(h Hook, index int, err error, took time.Duration) Result {
	r := Result{Phase: h.spec.Phase, Index: index, Text: h.String(), Took: took}
	if err == nil {
		return r
	}
	r.Exit = err.Error()
	var wish *ExitError
	var program *exec.ExitError
	switch {
	case errors.As(err, &wish):
		r.Code = wish.Code
	case errors.As(err, &program):
		if status, ok := program.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			r.Signal = status.Signal()
		} else {
			r.Code = program.ExitCode()
		}
	case errors.Is(err, ErrTimeout):
		r.Signal = syscall.SIGKILL
	}
	return r
}

// failed returns the error of a hook that ends its phase: the hook's origin, phase and index,
// and the cause.
func (h Hook) failed(index int, err error) error {
	at := ""
	if h.spec.Origin != "" {
		at = h.spec.Origin + ": "
	}
	return fmt.Errorf("%shook %s #%d (%s): %w", at, h.spec.Phase, index, h, err)
}

// hiddenText replaces the text of a hook that is hidden from logs.
const hiddenText = "hidden"

// String returns the hook as logs may show it, such as `exec: mount -a`.
func (h Hook) String() string { return string(h.spec.Kind) + ": " + h.shown() }

// maxShown limits the shown text, in bytes.
const maxShown = 256

func (h Hook) shown() string {
	if h.hidden {
		return hiddenText
	}
	text := h.spec.Text
	if len(text) <= maxShown {
		return text
	}
	end := maxShown
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// hide reduces the failure of a hidden hook to its kind. Any other part of the error may
// repeat the text.
func hide(err error) error {
	var wish *ExitError
	var program *exec.ExitError
	var errno syscall.Errno
	switch {
	case err == nil, errors.Is(err, ErrTimeout):
		return err
	case errors.As(err, &wish):
		return wish
	case errors.As(err, &program):
		return program
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	return errHidden
}

var errHidden = errors.New("failed (the reason is hidden)")

// hideMistake reduces a mistake in a hidden hook to the part that does not repeat its text.
func (h Hook) hideMistake(err error) error {
	if !h.hidden {
		return err
	}
	syntax := h.spec.Kind.Syntax()
	if name, _, colon := strings.Cut(h.rest, ":"); h.spec.Kind == Do && colon {
		if row := findAction(strings.TrimSpace(name)); row != nil {
			syntax = row.Name + ":" + row.Args
		}
	}
	return mistake("the syntax is "+syntax, "there is a mistake in the hidden text of %s", h.spec.Option())
}
