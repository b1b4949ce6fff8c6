package namespaces

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// CloseOnExecFrom marks every descriptor from first up as close-on-exec, in one system call
// regardless of their number or limit (close_range(2)).
func CloseOnExecFrom(first uint) error {
	if err := unix.CloseRange(first, ^uint(0)>>32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("cannot mark descriptors close-on-exec: %w", err)
	}
	return nil
}
