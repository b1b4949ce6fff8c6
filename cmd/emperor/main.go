// Command emperor supervises a vassal for each configuration file in its directories.
package main

import "github.com/emperor-go/emperor/pkg/emperord"

func main() { emperord.Main(emperord.Additions{}) }
