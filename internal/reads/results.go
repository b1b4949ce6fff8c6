package reads

import (
	"context"
	"io"
	"sync/atomic"
)

// Get is Do for a look with a result. A late result is lost.
func Get[T any](ctx context.Context, p *Pool, path string, look func() (T, error)) (T, error) {
	return get(ctx, p, path, look, func(T) {})
}

// Open is Get for a result that must be closed. A late result is closed.
func Open[T io.Closer](ctx context.Context, p *Pool, path string, look func() (T, error)) (T, error) {
	return get(ctx, p, path, look, func(late T) { _ = late.Close() })
}

func get[T any](ctx context.Context, p *Pool, path string, look func() (T, error), late func(T)) (result T, err error) {
	var settled atomic.Bool // the result is there, or its caller has returned
	got := make(chan T, 1)
	err = p.Do(ctx, path, func(At) error {
		r, err := look()
		switch {
		case settled.CompareAndSwap(false, true):
			got <- r
		case err == nil:
			late(r)
		}
		return err
	})
	if settled.CompareAndSwap(false, true) {
		return result, err
	}
	return <-got, err
}
