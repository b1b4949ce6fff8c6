package outset

import (
	"testing"
	"unsafe"
)

// A deep call after Stack does not move the stack.
func TestStack(t *testing.T) {
	moved := make(chan [2]bool)
	for _, reserves := range []bool{true, false} {
		go func() {
			if reserves {
				Stack()
			}
			var here byte
			before := uintptr(unsafe.Pointer(&here))
			deep(room / 256)
			moved <- [2]bool{reserves, before != uintptr(unsafe.Pointer(&here))}
		}()
		if got := <-moved; got != [2]bool{reserves, !reserves} {
			t.Errorf("reserved and moved: %v", got)
		}
	}
}

//go:noinline
func deep(n int) byte {
	var frame [128]byte
	if n > 0 {
		frame[n%len(frame)] = deep(n - 1)
	}
	return frame[n/2%len(frame)]
}
