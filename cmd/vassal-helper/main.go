// Command vassal-helper reads YAML and XML for vassals and shares their terminals. vassal and
// emperor start it.
package main

import "github.com/emperor-go/emperor/internal/helper"

func main() { helper.Main() }
