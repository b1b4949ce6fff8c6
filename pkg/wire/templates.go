package wire

import "github.com/emperor-go/emperor/internal/dialect"

// Templates are the operator's text around the configuration of each vassal, as the dialect reads
// it.
type Templates = dialect.Templates
