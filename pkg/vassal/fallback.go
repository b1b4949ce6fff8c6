package vassal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// fallBack executes this program again with the fallback configuration, when there is one and
// err would end the vassal with exit code 1. It returns only when it does not: with the error
// to report.
//
// The file is opened here, with the current privileges of this process. Reading it is the only
// permission it needs.
func (v *vassal) fallBack(err error) error {
	if !failure(err) {
		return err
	}
	v.progress.at("the name of its fallback-config", false)
	file := v.reader.fallbackOf(&v.source, v.options)
	if file == "" || v.source.order != nil && v.source.order.Trial || v.silenced() {
		return err
	}
	tried := v.source.tried
	if first := v.reader.firstFile(&v.source, v.options); len(tried) == 0 && first != "" {
		tried = []string{first}
	}
	if slices.Contains(tried, file) {
		return fmt.Errorf("%w; its fallback %q was tried before", err, file)
	}
	if v.source.tenant() != nil && os.Geteuid() == 0 {
		// The next program reads it, as the tenant.
	} else if _, failed := readFallback(file); failed != nil {
		return fmt.Errorf("%w; %w", err, failed)
	}
	v.log.Error("starting again with the fallback configuration", "error", err, "file", file)
	next := state{File: file, Why: err.Error(), Tried: append(slices.Clone(tried), file)}
	return fmt.Errorf("%w; cannot start again with %q: %w", err, file, v.handOver(v.programs.self, next))
}

// failure reports whether an error ends the program with exit code 1.
func failure(err error) bool {
	var exit *hooks.ExitError
	var shown config.Shown
	switch {
	case err == nil, errors.Is(err, wire.ErrWithdrawn), errors.As(err, &shown),
		errors.Is(err, config.ErrHelp), errors.Is(err, config.ErrVersion):
		return false
	case errors.As(err, &exit):
		return exit.Code == 1
	}
	return true
}

// readFallback reads a regular file: any other could block, and between two programs no code
// listens to the emperor.
func readFallback(file string) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot use fallback-config: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("cannot use fallback-config: %q is no regular file", file)
	}
	data, err := io.ReadAll(io.LimitReader(f, config.MaxFile+1))
	if err == nil && len(data) > config.MaxFile {
		err = fmt.Errorf("%q is too large", file)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use fallback-config: %w", err)
	}
	return data, nil
}
