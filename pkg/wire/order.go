package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxOrder bounds the size of an encoded order in bytes. A configuration may be
// 1 MiB, which base64 makes a third longer; the rest is hooks and paths.
const MaxOrder = 4 << 20

// ErrWithdrawn is what ReadOrder returns when the emperor closed the channel
// without giving an order: the launch was called off, and the child ends quietly.
var ErrWithdrawn = errors.New("the order was withdrawn")

// Order is everything a child must know before it boots. Names, paths and the
// configuration are bytes, not text: file names on Linux need not be UTF-8.
type Order struct {
	// Name is the vassal's name as its monitor knows it.
	Name []byte
	// Path is where the configuration was read. It serves messages and the magic
	// variables; it is never opened again.
	Path []byte
	// Config is the content that was read, once.
	Config []byte
	// Namespaces lists the new namespaces the child is in, as
	// namespaces.Flags prints them. Empty: none.
	Namespaces string
	// Hooks are the operator's as-vassal hooks, in the order they run, and
	// HookVars what their environment has more than the vassal's, each KEY=value.
	Hooks    []Hook
	HookVars [][]byte
}

// Hook is a hook as the operator wrote it. The vassal parses it again: what
// crosses the process border is text, and the emperor has parsed it before.
type Hook struct {
	// Phase, Kind and Text are those of hooks.Spec.
	Phase, Kind, Text string
	// Origin is the file:line of the hook, for messages.
	Origin string
}

// WriteOrder writes o to w. The reader accepts it only once w is closed, so a
// writer that dies half-way gives no order at all.
func WriteOrder(w io.Writer, o Order) error {
	if err := json.NewEncoder(w).Encode(o); err != nil {
		return fmt.Errorf("cannot send order: %w", err)
	}
	return nil
}

// ReadOrder blocks until the other side has written an order and closed the
// channel. This is where a child is parked. It returns ErrWithdrawn when the
// channel closes without a byte, and an error for an incomplete order or one
// larger than MaxOrder.
func ReadOrder(r io.Reader) (Order, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxOrder+1))
	switch {
	case err != nil:
		return Order{}, fmt.Errorf("cannot read order: %w", err)
	case len(text) == 0:
		return Order{}, ErrWithdrawn
	case len(text) > MaxOrder:
		return Order{}, fmt.Errorf("cannot read order: larger than %d bytes", MaxOrder)
	}
	var o Order
	if err := json.Unmarshal(text, &o); err != nil {
		return Order{}, fmt.Errorf("cannot read order: %w", err)
	}
	return o, nil
}
