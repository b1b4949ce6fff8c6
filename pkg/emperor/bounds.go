package emperor

import "github.com/emperor-go/emperor/pkg/namespaces"

// Bounds limit the capabilities of a vassal. Nil: no limit.
type Bounds struct {
	// All are the capabilities that its processes can have.
	All *namespaces.Capabilities
	// Kept are the ones that it keeps when it drops its privileges. Nil also when a program of its own runs before.
	Kept *namespaces.Capabilities
}
