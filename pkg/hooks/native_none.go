//go:build !native

package hooks

import (
	"fmt"
	"syscall"
)

// IsNative reports whether this program can call C functions.
const IsNative = false

// Load returns an error for the first required library, because this program cannot load any.
// It reports optional libraries to warn.
func (l Libraries) Load(warn func(error)) error {
	for _, p := range l.Plugins {
		path, err := l.find(p)
		if err == nil {
			err = fmt.Errorf("cannot load %q: this program cannot call C functions", path)
		}
		if !p.Optional {
			return err
		}
		warn(err)
	}
	return nil
}

func callNative(symbol string, _ signature, _ []cArg) error {
	return fmt.Errorf("cannot call %q: no Go function is registered with that name, and this program cannot call C functions", symbol)
}

func handleNative(_ syscall.Signal, symbol string) error { return callNative(symbol, cVoid, nil) }
