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
	for {
		op, ok := errors.AsType[operation](err)
		if _, dns := op.(*net.DNSError); !ok || dns {
			break
		}
		err = op.Unwrap()
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

// operation is an error of package net or net/url about an operation on an address. The interface
// keeps net/url, which vassal does not need, out of that program.
type operation interface {
	error
	Timeout() bool
	Temporary() bool
	Unwrap() error
}
