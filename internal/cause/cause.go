// Package cause takes the reason out of an error of the standard library: the message around it
// names the operation, and the file or the address, itself.
package cause

import (
	"errors"
	"net"
	"os"
)

// Of returns an error without the operation and without the file or address. An error without
// them is returned unchanged. errors.Is finds the same errors in the result.
func Of(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if e, ok := errors.AsType[*os.SyscallError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*net.AddrError](err); ok {
		return errors.New(e.Err)
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return errors.New(e.Err)
	}
	return err
}
