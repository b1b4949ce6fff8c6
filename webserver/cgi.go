package webserver

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/emperor-go/emperor/internal/termlog"
	"github.com/emperor-go/emperor/pkg/config/serving"
)

const (
	// cgiHeaders limits the headers of a program's answer, in bytes.
	cgiHeaders = 64 << 10
	// cgiGoodbye is how long processes that a program leaves behind may keep its output open.
	cgiGoodbye = 5 * time.Second
)

// program runs the programs of a directory by CGI (RFC 3875). net/http/cgi is not used because
// it cannot end a program that takes too long.
type program struct {
	mount   string // without a slash at the end
	root    *directory
	index   []string
	exts    []string // empty: any
	helpers []serving.CGIHelper
	log     *slog.Logger
}

func newProgram(m serving.Map, o *serving.Options, log *slog.Logger) (program, error) {
	root, err := openDirectory(m.Dir, nil)
	return program{strings.TrimRight(m.Mount, "/"), root, o.CGIIndex, o.CGIExt, o.CGIHelpers, log}, wrap("cgi", m.Dir, err)
}

// script is a program that was found for a path.
type script struct {
	file string // absolute
	name string // SCRIPT_NAME
	info string // PATH_INFO
}

// serve runs the program of a path, and returns false when there is none.
func (p program) serve(x *exchange) bool {
	rest, ok := below(x.path, p.mount)
	if !ok {
		return false
	}
	found, ok := p.find(rest)
	if !ok {
		return false
	}
	if found.info != "" && strings.HasSuffix(x.path, "/") {
		found.info += "/"
	}
	command := []string{found.file}
	for _, h := range p.helpers {
		if strings.HasSuffix(found.file, h.Ext) {
			command = []string{h.Program, found.file}
			break
		}
	}
	if !p.allowed(found.file) {
		x.refuse(http.StatusForbidden)
		return true
	}
	p.run(x, found, command)
	return true
}

func (p program) allowed(file string) bool {
	return len(p.exts) == 0 || slices.ContainsFunc(p.exts, func(e string) bool { return strings.HasSuffix(file, e) })
}

// find walks down the path to the first file. The rest is PATH_INFO.
func (p program) find(rest string) (s script, ok bool) {
	if p.root.file != "" {
		s = script{file: filepath.Join(p.root.path, p.root.file), name: p.mount}
		if rest != "" {
			s.info = "/" + rest
		}
		return s, true
	}
	var words []string
	if rest != "" {
		words = strings.Split(rest, "/")
	}
	for i := 1; i <= len(words); i++ {
		name := path.Join(words[:i]...)
		dir, ok := p.look(name)
		if !ok {
			return s, false
		}
		if !dir {
			s = script{file: filepath.Join(p.root.path, name), name: p.mount + "/" + name}
			if i < len(words) {
				s.info = "/" + path.Join(words[i:]...)
			}
			return s, true
		}
	}
	for _, index := range p.index {
		name := path.Join(rest, index)
		if dir, ok := p.look(name); ok && !dir {
			return script{file: filepath.Join(p.root.path, name), name: p.mount + "/" + name}, true
		}
	}
	return s, false
}

// look reports whether a name exists in the tree, and whether it is a directory.
func (p program) look(name string) (dir, ok bool) {
	file, err := p.root.open(name)
	if err != nil {
		return false, false
	}
	file.close()
	return file.isDir(), file.isDir() || file.isRegular()
}

// run runs the program for a request. Its process group ends with the request.
func (p program) run(x *exchange, s script, command []string) {
	x.duplex()
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	body := &wholeBody{from: x.r.Body, end: cancel, over: make(chan struct{})}
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Dir, c.Env, c.Stdin = filepath.Dir(s.file), p.environ(x, s), body
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = cgiGoodbye
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		p.log.Error("cannot run a program", "program", s.file, "error", err)
		if errors.Is(err, fs.ErrPermission) {
			x.refuse(http.StatusForbidden)
			return
		}
		x.refuse(http.StatusInternalServerError)
		return
	}
	if err = relay(x, out); err != nil {
		_ = c.Cancel()
	}
	close(body.over)
	ended := c.Wait()
	p.conclude(x, s, body.fault.Load(), err, ended)
}

// wholeBody is the input of a program. At the end of a complete body it ends. After an
// incomplete body it stays open until the program has been killed: the program would accept an
// incomplete body as complete.
type wholeBody struct {
	from  io.Reader // nil: no body
	end   func()
	over  chan struct{} // closed when the program sends no more
	fault atomic.Pointer[bodyError]
}

// Read returns the body. After an error of the client it ends the program and returns when that has ended: the
// program never takes a part of a body for the whole.
func (b *wholeBody) Read(p []byte) (int, error) {
	if b.from == nil {
		return 0, io.EOF
	}
	n, err := b.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.fault.Store(&bodyError{err})
		b.end()
		<-b.over
	}
	return n, err
}

// bodyError is the reason why the body did not arrive.
type bodyError struct{ error }

// Unwrap returns the error of the connection, which decides the status.
func (e bodyError) Unwrap() error { return e.error }

// status is the status that the client gets.
func (e bodyError) status() int {
	var large *http.MaxBytesError
	switch {
	case errors.As(e, &large):
		return http.StatusRequestEntityTooLarge
	case errors.Is(e, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	}
	return http.StatusBadRequest
}

// conclude handles an incomplete answer: the program failed, or was killed because its client
// is gone or its time is over. The reason is logged with the request.
func (p program) conclude(x *exchange, s script, body *bodyError, err, ended error) {
	cause := context.Cause(x.r.Context())
	var exit *exec.ExitError
	if err == nil && errors.As(ended, &exit) && !exit.Exited() {
		err = errors.New("it was killed")
	}
	status := http.StatusBadGateway
	switch {
	case errors.Is(cause, errTooLong):
		status = http.StatusGatewayTimeout
	case body != nil:
		status = body.status()
		p.log.Info("the body for a program did not arrive", "program", s.file, "error", body)
	case cause != nil, err != nil && x.result.failed:
		p.log.Info("the client of a program is gone", "program", s.file)
	case err != nil:
		p.log.Error("a program did not answer", "program", s.file, "error", err, "exit", ended)
	default:
		return
	}
	if x.result.status != 0 {
		panic(http.ErrAbortHandler) // otherwise the client would accept it as complete
	}
	x.refuse(status)
}

// relay passes on the answer of a program.
func relay(x *exchange, out io.Reader) error {
	limited := &io.LimitedReader{R: out, N: cgiHeaders}
	lines := bufio.NewReader(limited)
	headers, err := textproto.NewReader(lines).ReadMIMEHeader()
	if err != nil {
		return errors.Join(errors.New("no CGI headers"), err)
	}
	status := http.StatusOK
	if text := headers.Get("Status"); text != "" {
		code, _, _ := strings.Cut(text, " ")
		if status, err = strconv.Atoi(code); err != nil || status < 200 || status > 599 {
			return errors.New("no valid status: " + text)
		}
	} else if headers.Get("Location") != "" {
		status = http.StatusFound
	}
	headers.Del("Status")
	for _, name := range hopByHop {
		headers.Del(name)
	}
	for name, values := range headers {
		for _, v := range values {
			x.Header().Add(name, v)
		}
	}
	x.WriteHeader(status)
	limited.N = 1 << 62
	to := io.Writer(flusher{x})
	if status == http.StatusNoContent || status == http.StatusNotModified {
		to = io.Discard // there can be no body, and many programs print a newline
	}
	_, err = io.Copy(to, lines)
	return err
}

// hopByHop are headers of a connection, which programs do not know: HTTP/2 forbids them (RFC
// 9113, section 8.2.2).
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// flusher sends its input at once: a program may pause between two writes.
type flusher struct{ x *exchange }

// Write sends b to the client before it returns.
func (f flusher) Write(b []byte) (int, error) {
	n, err := f.x.Write(b)
	if err == nil {
		_ = http.NewResponseController(f.x.ResponseWriter).Flush()
	}
	return n, err
}

// environ returns the environment of a program (RFC 3875, section 4.1). From the server's own
// environment it contains only the variables by which programs are found.
func (p program) environ(x *exchange, s script) []string {
	env := []string{"PATH=" + cmp.Or(os.Getenv("PATH"), "/usr/local/bin:/usr/bin:/bin")}
	for _, e := range termlog.Without(os.Environ()) {
		if !strings.HasPrefix(e, "PATH=") && !strings.HasPrefix(e, "HTTP_") {
			env = append(env, e)
		}
	}
	r := x.r
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = r.Host, "80"
		if r.TLS != nil {
			port = "443"
		}
	}
	env = append(env, "GATEWAY_INTERFACE=CGI/1.1", "SERVER_SOFTWARE=vassal",
		"SERVER_NAME="+cmp.Or(x.proto.vars["SERVER_NAME"], host), "SERVER_PORT="+cmp.Or(x.proto.vars["SERVER_PORT"], port),
		"DOCUMENT_ROOT="+p.root.path, "SCRIPT_NAME="+s.name, "SCRIPT_FILENAME="+s.file, "PATH_INFO="+s.info, "REDIRECT_STATUS=200")
	if s.info != "" {
		env = append(env, "PATH_TRANSLATED="+filepath.Join(p.root.path, s.info))
	}
	for _, name := range []string{"REQUEST_METHOD", "REQUEST_URI", "QUERY_STRING", "SERVER_PROTOCOL", "REMOTE_ADDR", "REMOTE_PORT", "REMOTE_USER", "HTTPS"} {
		if v := x.variable(name); v != "" || name == "QUERY_STRING" {
			env = append(env, name+"="+v)
		}
	}
	if r.ContentLength > 0 {
		env = append(env, "CONTENT_LENGTH="+strconv.FormatInt(r.ContentLength, 10))
	}
	if kind := r.Header.Get("Content-Type"); kind != "" {
		env = append(env, "CONTENT_TYPE="+kind)
	}
	env = append(env, "HTTP_HOST="+r.Host)
	for name, values := range r.Header {
		upper := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		switch upper {
		case "PROXY", "CONTENT_TYPE", "CONTENT_LENGTH", "HOST": // HTTP_PROXY would be a setting of the program (httpoxy)
			continue
		}
		if strings.ContainsRune(name, '_') {
			continue // it could be mistaken for another header
		}
		glue := ", "
		if upper == "COOKIE" {
			glue = "; "
		}
		env = append(env, "HTTP_"+upper+"="+strings.Join(values, glue))
	}
	for k, v := range x.vars {
		env = append(env, k+"="+v)
	}
	return append(env, frontendVars(x.proto.vars, env)...)
}

// frontendVars returns the variables that a frontend sends for programs, such as nginx by
// uwsgi_param. They replace no existing variable, and none of them has an effect on ld.so(8).
func frontendVars(vars map[string]string, env []string) (more []string) {
	if len(vars) == 0 {
		return nil
	}
	taken := map[string]bool{"CONTENT_LENGTH": true, "CONTENT_TYPE": true}
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		taken[name] = true
	}
	for name, v := range vars {
		if name == "" || taken[name] || strings.HasPrefix(name, "HTTP_") || strings.HasPrefix(name, "LD_") || strings.ContainsAny(name,
			"=\x00") || strings.Contains(v, "\x00") {
			continue
		}
		more = append(more, name+"="+v)
	}
	return more
}
