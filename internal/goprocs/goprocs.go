// Package goprocs decides on how many processors our programs run, by the variable GOMAXPROCS
// of the Go runtime. With one, the runtime makes fewer threads and caches: a vassal starts in
// three quarters of the time, and a server or a terminal without requests takes 200 KB less. The
// operator's choice is for the programs that vassals run.
package goprocs

import (
	"errors"
	"os"
	"slices"
	"strings"
)

const (
	// key is the variable of the runtime.
	key = "GOMAXPROCS"
	// kept has the operator's value while a vassal runs on one processor.
	kept = "EMPEROR_GOMAXPROCS"
	one  = key + "=1"
)

// Vassal returns the environment of a vassal, which runs on one processor until it calls
// Restore. The operator's value has another name in it.
func Vassal(environ []string) []string {
	vars := make([]string, 0, len(environ)+1)
	for _, v := range environ {
		if value, ok := strings.CutPrefix(v, key+"="); ok {
			v = kept + "=" + value
		}
		vars = append(vars, v)
	}
	return append(vars, one)
}

// Restore changes the environment of this process back to that before Vassal, for the programs
// that it starts.
func Restore() error {
	if value, ok := os.LookupEnv(kept); ok {
		return errors.Join(os.Setenv(key, value), os.Unsetenv(kept))
	}
	return os.Unsetenv(key)
}

// Idle adds one processor to the environment of a program of ours that is often idle. The
// operator's choice counts, if there is one.
func Idle(environ []string) []string {
	if slices.ContainsFunc(environ, func(v string) bool { return strings.HasPrefix(v, key+"=") && v != key+"=" }) {
		return environ
	}
	return append(environ[:len(environ):len(environ)], one)
}

// Started reports whether this program began as in Idle, on one processor. It removes the
// variable from the environment, so that programs of the operator do not get it.
func Started() bool {
	if os.Getenv(key) != "1" {
		return false
	}
	return os.Unsetenv(key) == nil
}
