// Package direct answers the questions of package assist by packages net and regexp. The program that every vassal starts must not
// import it.
package direct

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/assist"
)

// maxPage limits a page, in bytes.
const maxPage = 2 << 20

// Means returns the means of this process itself.
func Means() assist.Means {
	return assist.Means{Lookup: net.DefaultResolver.LookupNetIP, Fetch: fetch, Match: match}
}

func match(_ context.Context, expression, text string) (bool, error) {
	return regexp.MatchString(expression, text)
}

// fetch requests a page with a minimal request, as uWSGI does.
func fetch(ctx context.Context, url string) ([]byte, error) {
	host, path, _ := strings.Cut(url, "/")
	dialer := net.Dialer{Timeout: assist.Patience}
	conn, err := dialer.DialContext(ctx, "tcp", address.Authority(host, 80))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := conn.SetDeadline(time.Now().Add(assist.Patience)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(conn, "GET /%s HTTP/1.0\r\nHost: %s\r\n\r\n", path, host); err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, maxPage+1))
	switch {
	case err != nil:
		return nil, err
	case len(answer) > maxPage:
		return nil, errors.New("it is larger than 2 MiB")
	}
	head, body, ok := bytes.Cut(answer, []byte("\r\n\r\n"))
	status := strings.Fields(string(head[:min(len(head), 64)]))
	if !ok || len(status) < 2 || status[1] != "200" {
		return nil, errors.New("the server did not answer 200")
	}
	return body, nil
}
