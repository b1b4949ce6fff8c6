// Command vassal is the program inside: it boots a process that an emperor has cloned, or, by
// hand, a vassal file.
package main

import (
	"runtime"

	"github.com/emperor-go/emperor/pkg/vassal"
)

// Main needs the main thread.
func init() { runtime.LockOSThread() }

func main() { vassal.Main() }
