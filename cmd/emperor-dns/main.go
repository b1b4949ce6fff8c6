// Command emperor-dns answers name queries of vassals. It is a program of its own, small and
// without rights, because it parses bytes that vassals send. The emperor starts it.
package main

import "github.com/emperor-go/emperor/internal/dns/responder"

func main() { responder.Main() }
