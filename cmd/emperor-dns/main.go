// Command emperor-dns answers the questions of vassals for names. The emperor starts it, as a
// program of its own: it works on bytes that vassals send, and must be small and without rights.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/emperor-go/emperor/internal/outset"
	"github.com/emperor-go/emperor/internal/version"
	"github.com/emperor-go/emperor/pkg/network/dns/responder"
)

func main() {
	outset.Conceal()
	outset.Signals()
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Fprintln(os.Stdout, version.Line("emperor-dns"))
		return
	}
	if err := responder.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, responder.ErrByHand) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}
