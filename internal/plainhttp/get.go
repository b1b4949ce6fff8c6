// Package plainhttp requests a page in HTTP/1.0 (RFC 1945), for programs that must not link a
// whole HTTP client.
package plainhttp

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Get requests a path from the server at the other end of conn and blocks until it has the
// status. It returns nil for a 2xx or 3xx status. The caller sets deadlines.
func Get(conn io.ReadWriter, host, path string) error {
	return GetAfter(conn, host, path, func() {})
}

// GetAfter is Get that calls between before the last line of the request is sent: the
// server has something to read by then, and cannot have answered.
func GetAfter(conn io.ReadWriter, host, path string, between func()) error {
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: %s\r\nUser-Agent: vassal\r\n", path, host); err != nil {
		return err
	}
	between()
	if _, err := io.WriteString(conn, "\r\n"); err != nil {
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
