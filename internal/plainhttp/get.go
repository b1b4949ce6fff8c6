// Package plainhttp asks for a page as plainly as HTTP/1.0 allows (RFC 1945), for
// programs that must not grow by a whole client.
package plainhttp

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Get asks a server at the other end of conn for a path and blocks until the status
// is there. It returns nil for a status of 2xx or 3xx. Deadlines are the caller's.
func Get(conn io.ReadWriter, host, path string) error {
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: vassal\r\n\r\n", path, host); err != nil {
		return err
	}
	line := make([]byte, len("HTTP/1.0 200"))
	if _, err := io.ReadFull(conn, line); err != nil {
		return err
	}
	version, status, _ := strings.Cut(string(line), " ")
	if !strings.HasPrefix(version, "HTTP/") || status == "" || status[0] != '2' && status[0] != '3' {
		return errors.New("the answer is " + string(line))
	}
	return nil
}
