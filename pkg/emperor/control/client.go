package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"syscall"
)

// Client asks an emperor over its control socket.
type Client struct {
	dir  string
	http http.Client
}

// NewClient returns a client for the emperor with that runtime directory.
func NewClient(dir string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(dir, SocketName))
	}
	return &Client{dir: dir, http: http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// ErrNoEmperor says that no emperor answers.
var ErrNoEmperor = errors.New("no emperor answers")

// Call asks for one JSON value. A Failure is returned as an error.
func (c *Client) Call(ctx context.Context, method, path string, into any) error {
	body, err := c.open(ctx, method, path)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("the emperor's answer: %w", err)
	}
	return nil
}

// Stream calls each with every line of an answer until it ends or ctx does.
func (c *Client) Stream(ctx context.Context, path string, each func(json.RawMessage) error) error {
	body, err := c.open(ctx, http.MethodGet, path)
	if err != nil {
		return err
	}
	defer body.Close()
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

func (c *Client) open(ctx context.Context, method, path string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://emperor"+Prefix+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("it was not waited for: %w", context.Cause(ctx))
	}
	if err != nil {
		return nil, c.explain(err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	f := &Failure{Code: answer.StatusCode}
	if json.NewDecoder(answer.Body).Decode(f) != nil || f.Message == "" {
		f.Message = "the emperor answers " + answer.Status
	}
	return nil, f
}

// explain says what an operator can do about a socket that does not answer.
func (c *Client) explain(err error) error {
	path := filepath.Join(c.dir, SocketName)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: there is no %s (is it running? --runtime-dir says where)", ErrNoEmperor, path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w on %s: it has died", ErrNoEmperor, path)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w: you may not use %s (try as root)", ErrNoEmperor, path)
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%w on %s: %w", ErrNoEmperor, path, err)
}
