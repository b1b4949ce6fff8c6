// Command vassal-server is the built-in server of a vassal, which starts it with the sockets
// and the options. By hand it accepts them on the command line: vassal-server --http-socket
// :8080 --static-map /=DIR.
package main

import "github.com/emperor-go/emperor/webserver"

func main() { webserver.Main() }
