package responder

import (
	"errors"
	"fmt"
	"os"

	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/internal/version"
)

// Main is the program emperor-dns. It exits with 2 when the emperor has not started it.
func Main() {
	outset.Conceal()
	outset.Signals()
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Fprintln(os.Stdout, version.Line("emperor-dns"))
		return
	}
	if err := Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, ErrByHand) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}
