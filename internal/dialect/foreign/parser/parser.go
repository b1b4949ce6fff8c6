// Package parser parses the formats of package foreign. It links their libraries: the program
// that every vassal starts must not import it.
package parser

import (
	"fmt"

	"github.com/emperor-go/emperor/internal/dialect/foreign"
	"github.com/emperor-go/emperor/internal/problem"
)

// Parse is a foreign.Parser.
func Parse(format, text string) ([]foreign.Block, error) {
	switch format {
	case "xml":
		return parseXML(text)
	case "yaml":
		return parseYAML(text)
	}
	return nil, &problem.Problem{What: fmt.Sprintf("unknown format %q", format)}
}
