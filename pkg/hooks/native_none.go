//go:build !native

package hooks

import (
	"fmt"
	"syscall"
)

// IsNative tells whether this program can call functions of C.
const IsNative = false

// Dlopen loads shared libraries so that hooks find their functions.
func Dlopen(libraries []string) error {
	if len(libraries) == 0 {
		return nil
	}
	return fmt.Errorf("cannot load %q: this program calls no functions of C", libraries[0])
}

func callNative(symbol string, _ signature, _ []cArg) error {
	return fmt.Errorf("cannot call %q: no Go function is registered by that name, and this program calls none of C", symbol)
}

func handleNative(_ syscall.Signal, symbol string) error { return callNative(symbol, cVoid, nil) }
