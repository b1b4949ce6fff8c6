package optiondocs

import (
	"errors"
	"fmt"
	"io"

	"github.com/emperor-go/emperor/internal/version"
	"github.com/emperor-go/emperor/pkg/config"
)

// Answer prints the answer to a command line that asks for a text and starts nothing: the effective
// configuration, the help, or the version of a program. It reports whether err is such a question.
func Answer(w io.Writer, program string, help func(w io.Writer, asked error) error, err error) bool {
	var shown config.Shown
	switch {
	case errors.As(err, &shown):
		_, _ = fmt.Fprint(w, shown.Text)
	case errors.Is(err, config.ErrHelp):
		_ = help(w, err)
	case errors.Is(err, config.ErrVersion):
		_, _ = fmt.Fprintln(w, version.Line(program))
	default:
		return false
	}
	return true
}
