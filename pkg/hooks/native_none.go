//go:build !native

package hooks

import (
	"fmt"
	"syscall"
)

// IsNative tells whether this program can call functions of C.
const IsNative = false

// Load says of each library why it is not loaded: here none is. One that is
// optional is told to warn.
func (l Libraries) Load(warn func(error)) error {
	for _, p := range l.Plugins {
		path, err := l.find(p)
		if err == nil {
			err = fmt.Errorf("cannot load %q: this program calls no functions of C", path)
		}
		if !p.Optional {
			return err
		}
		warn(err)
	}
	return nil
}

func callNative(symbol string, _ signature, _ []cArg) error {
	return fmt.Errorf("cannot call %q: no Go function is registered by that name, and this program calls none of C", symbol)
}

func handleNative(_ syscall.Signal, symbol string) error { return callNative(symbol, cVoid, nil) }
