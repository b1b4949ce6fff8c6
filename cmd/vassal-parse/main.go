// Command vassal-parse reads formats other than ini for a vassal, which runs it: the parsers
// would make each vassal, and each server, larger.
package main

import (
	"fmt"
	"os"

	"github.com/emperor-go/emperor/internal/dialect/foreign"
	"github.com/emperor-go/emperor/internal/dialect/foreign/parser"
	"github.com/emperor-go/emperor/internal/outset"
)

const usage = `Usage: vassal-parse yaml|xml <FILE

Prints the options of a configuration as JSON, for vassal.
`

func main() {
	outset.Conceal()
	outset.Signals()
	if len(os.Args) != 2 || os.Args[1] != "yaml" && os.Args[1] != "xml" {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err := foreign.Answer(parser.Parse, os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "vassal-parse:", err)
		os.Exit(1)
	}
}
