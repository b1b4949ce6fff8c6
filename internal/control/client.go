package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/cause"
)

// Client sends requests to an emperor over its control socket.
type Client struct {
	dir  string
	http http.Client
	// version is the emperor's, of its last answer. Nil: it has not answered.
	version atomic.Pointer[string]
}

// NewClient returns a client for the emperor with that runtime directory.
func NewClient(dir string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(dir, SocketName))
	}
	return &Client{dir: dir, http: http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// ErrNoEmperor is returned when no emperor answers.
var ErrNoEmperor = errors.New("no emperor answers")

// Call requests one JSON value. It returns a Error as an error. It returns ErrNoEmperor when
// the emperor sends nothing for 5 seconds.
func (c *Client) Call(ctx context.Context, method, path string, into any) error {
	ctx, alive, done := whileAnswered(ctx)
	defer done()
	body, err := c.open(ctx, alive, method, path)
	if err != nil {
		return err
	}
	defer body.Close()
	in := json.NewDecoder(answering{body, alive})
	if list, is := into.(*List); is {
		err = list.readFrom(in)
	} else {
		err = in.Decode(into)
	}
	switch {
	case ctx.Err() != nil:
		return c.unheard(ctx, method)
	case err != nil:
		return fmt.Errorf("the emperor's answer: %w", err)
	}
	return nil
}

// Stream calls each with every line of an answer until it ends or ctx does. Only its beginning
// must come within 5 seconds.
func (c *Client) Stream(ctx context.Context, path string, each func(json.RawMessage) error) error {
	listening, alive, done := whileAnswered(ctx)
	defer done()
	body, err := c.open(listening, alive, http.MethodGet, path)
	if err != nil {
		return err
	}
	defer body.Close()
	alive(forever)
	for in := json.NewDecoder(body); ; {
		var line json.RawMessage
		err := in.Decode(&line)
		switch {
		case errors.Is(err, io.EOF), ctx.Err() != nil:
			return nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%w any more", ErrNoEmperor)
		case err != nil:
			return err
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

func (c *Client) open(ctx context.Context, alive func(next time.Duration), method, path string) (io.ReadCloser, error) {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(int, textproto.MIMEHeader) error { alive(patience); return nil },
	})
	r, err := http.NewRequestWithContext(ctx, method, "http://emperor"+prefix+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	switch {
	case ctx.Err() != nil:
		return nil, c.unheard(ctx, method)
	case err != nil:
		return nil, c.explain(err)
	}
	alive(patience)
	version := strings.TrimPrefix(answer.Header.Get("Server"), serverName)
	c.version.Store(&version)
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	f := &Error{Code: answer.StatusCode}
	if json.NewDecoder(answer.Body).Decode(f) != nil || f.Message == "" {
		f.Message = "the emperor answers " + answer.Status
	}
	return nil, f
}

// Version returns the version of the emperor that has answered, with its commit and day where they are
// known. Empty: none has answered, or it is too old to tell.
func (c *Client) Version() string {
	if v := c.version.Load(); v != nil {
		return *v
	}
	return ""
}

// explain adds the operator's remedy to the error of a socket that does not answer.
func (c *Client) explain(err error) error {
	path := filepath.Join(c.dir, SocketName)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: there is no %s (is it running? --runtime-dir names the directory)", ErrNoEmperor, path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w on %s: it has died", ErrNoEmperor, path)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: you may not use %s (try as root, or as a member of control-socket-group)", ErrNoEmperor, path)
	case errors.Is(err, syscall.EAGAIN):
		return fmt.Errorf("%w on %s: too many clients wait for it%s", ErrNoEmperor, path, c.halted())
	}
	return fmt.Errorf("%w on %s: %w", ErrNoEmperor, path, cause.Of(err))
}
