// Package serving has the options of the built-in server. The vassal checks them and passes them
// in a memfd, in their written form. The server program, which must stay small, parses them again
// and needs no other part of pkg/config.
package serving

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/logger"
	"github.com/emperor-go/emperor/internal/memfd"
	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// Env names the descriptor from which the server reads its options.
const Env = "VASSAL_SERVER_OPTIONS"

// maxOptions limits the bytes read from the descriptor.
const maxOptions = 64 << 20

// Options are all options of the built-in server. Each field documents the meaning of its zero
// value.
type Options struct {
	// StaticMaps are tried in order, after CheckStatic. Maps with Whole set (static-map2) come
	// last.
	StaticMaps []Map
	// CheckStatic are directories in which the server looks up any path first.
	CheckStatic []string
	// StaticIndex are the file names tried for a directory. Empty: index.html.
	StaticIndex []string
	// StaticSkipExt are extensions that are never served as files.
	StaticSkipExt []string
	// StaticSafe are directories to which links out of a mapping may lead.
	StaticSafe []string
	// Expires are tried in order; the first match applies.
	Expires []Expires
	// Gzip selects the files that may have a compressed file.gz.
	Gzip Gzip
	// MimeFiles are additional databases of types, such as /etc/mime.types.
	MimeFiles []string

	// CGI maps paths to directories of programs, or to one program.
	CGI []Map
	// CGIIndex are programs tried in a directory. CGIExt are the only extensions that run; empty:
	// any. CGIHelpers are the interpreters for files with an extension.
	CGIIndex, CGIExt []string
	CGIHelpers       []CGIHelper
	// HTTPTo are backends, used in turn, for requests that no file answers.
	HTTPTo []string
	// HTTPToWait limits how long a request waits for a backend that does not listen. Zero: no
	// wait.
	HTTPToWait time.Duration
	// Routes are run in order before everything else.
	Routes []Route
	// Pages are the bodies of responses that the server itself makes.
	Pages []Page
	// AddHeaders are added to each response, as `Name: value`.
	AddHeaders []string

	Log Log

	// SocketProtocol is the protocol of sockets of the option `socket`. Empty: uwsgi.
	SocketProtocol string
	// Certificates belong to the https-socket and https options, in their order.
	Certificates []Certificate
	// Behind has an element for each socket of the server, in order: the server for requests that
	// no other source answers. Empty: none.
	Behind []Behind
	// ProxyProtocol: connections of HTTP begin with a header of the PROXY protocol when their peer
	// is a unix socket, a loopback address or in ProxyProtocolFrom. All others must not send one.
	ProxyProtocol     bool
	ProxyProtocolFrom []netip.Prefix
	// BufferSize limits the headers of a request, in bytes. Zero: 64 KiB.
	BufferSize int
	// LimitPost limits the body of a request, in bytes. Zero: no limit.
	LimitPost int64
	// SocketTimeout limits the time a client takes to send the next bytes of a body, or to read
	// the next bytes of a response. Zero: 30 seconds.
	SocketTimeout time.Duration
	// KeepAlive limits how long an idle connection stays open. Zero: 60 seconds.
	KeepAlive time.Duration
	// RequestTimeout limits each request. Zero: no limit.
	RequestTimeout time.Duration

	// StatsHTTP responds by HTTP on the stats socket. StatsMinified leaves out spaces.
	StatsHTTP, StatsMinified bool
	// Heartbeat is the interval of heartbeats to the master. Zero: none.
	Heartbeat time.Duration
	// NeedApp makes it an error to have nothing to serve.
	NeedApp bool

	// Sole is for a server that is the only process of its vassal.
	Sole Sole

	// Written are the lines from which the options were parsed; Put adds to it.
	Written []Written
}

// Written is an option as it was written: its name, its text, and its position.
type Written struct{ Name, Text, Origin string }

// Find returns the row of an option, or nil.
func Find(name string) *option.Row[Options] {
	for _, rows := range []option.Rows[Options]{further, soleRows} {
		if row := rows.Find(name); row != nil {
			return row
		}
	}
	return Rows.Find(name)
}

// Put sets an option. It rejects a NUL byte, which separates values in the memfd.
func (o *Options) Put(row *option.Row[Options], v option.Value) error {
	if strings.Contains(v.Text, "\x00") {
		return option.Wrong("there is a NUL byte in the value", "")
	}
	if err := row.Put(o, v); err != nil {
		return err
	}
	o.Written = append(o.Written, Written{row.Name, v.Text, v.Origin.String()})
	return nil
}

// Blame adds the option whose value contains a file or directory, and its position, to an error
// about that file.
func (o *Options) Blame(name string, err error) error {
	for _, w := range slices.Backward(o.Written) {
		part := func(r rune) bool { return strings.ContainsRune("=,: ", r) }
		if w.Text == name || strings.HasSuffix(w.Text, "="+name) || slices.Contains(strings.FieldsFunc(w.Text, part), name) {
			return fmt.Errorf("%s: %s: %w", w.Origin, w.Name, err)
		}
	}
	return err
}

// Serves reports whether the server can respond to a request by itself.
func (o *Options) Serves() bool {
	return len(o.StaticMaps)+len(o.CheckStatic)+len(o.CGI)+len(o.HTTPTo)+len(o.Routes) > 0 || len(o.Behind) > 0
}

// Answers reports whether a server in front of another one would change any response, or the
// client's address.
func (o *Options) Answers() bool { return o.Serves() || len(o.AddHeaders) > 0 || o.ProxyProtocol }

// Unlogged returns the options without the log of requests, for a server that only passes
// requests on. The program behind it logs them, as behind uWSGI's router.
func (o Options) Unlogged() (*Options, error) {
	o.Written = slices.Clone(o.Written)
	return &o, o.Put(Find("disable-logging"), option.Value{Text: "true"})
}

// Map maps the paths under Mount to the directory or file Dir.
type Map struct {
	Mount, Dir string
	// Whole: the server looks up the whole path in Dir, not only the part after Mount.
	Whole bool
}

// Expires sets the Expires header of files.
type Expires struct {
	// Subject is the kind of text that Pattern matches: type, file, uri or path-info.
	Subject, Pattern string
	// Seconds are added to the current time, or with FromMtime to the file's.
	Seconds   int64
	FromMtime bool
}

// Gzip selects the files that have a compressed variant.
type Gzip struct {
	All      bool
	Patterns []string
	Dirs     []string
	Suffixes []string
}

// Page is an HTML file for responses with a status. If several pages have the same status, the
// server uses the first one that it can open.
type Page struct {
	Status int
	File   string
}

func (o *Options) addPage(status int, v option.Value) error {
	if v.Text == "" {
		return option.Wrong("no file given", "")
	}
	o.Pages = append(o.Pages, Page{status, v.Text})
	return nil
}

// Behind is a server to which requests are passed on. Zero: none.
type Behind struct {
	// Protocol is http or uwsgi.
	Protocol string
	// Address has the syntax of options.
	Address string
}

// CGIHelper runs programs that end in Ext by Program.
type CGIHelper struct{ Ext, Program string }

// Certificate is the key pair of an https-socket.
type Certificate struct {
	// Address of the socket, for messages.
	Address string
	// Cert and Key are files. The server reads them again when they change.
	Cert, Key string
	// ClientCA is a file of authorities for client certificates. Empty: clients need no
	// certificate.
	ClientCA string
}

// Logger is a destination of lines: a file, a socket, or standard error.
type Logger = logger.Logger

// Log has the options of the log of requests.
type Log struct {
	// Format has uWSGI's variables. Empty: uWSGI's own line.
	Format string
	// Date is a strftime format for %(ftime). Empty: the format of %(ltime).
	Date string
	// Strftime applies strftime to the whole line.
	Strftime bool
	// ForwardedFor uses the client's address from X-Forwarded-For.
	ForwardedFor bool
	// Disabled suppresses all requests that the following options do not select.
	Disabled bool
	Log4xx   bool
	Log5xx   bool
	// Zero logs responses without a body, Slow responses that took at least that time, and Big responses
	// of at least that many bytes; 0 is off.
	Zero bool
	Slow time.Duration
	Big  int64
	// Micros reports microseconds in uWSGI's own line.
	Micros bool
	// To gets the lines. The zero Logger is standard error.
	To Logger
}

// Memfd writes the options to a memfd for a child. The caller closes it.
func (o *Options) Memfd() (*os.File, error) {
	f, err := memfd.File("server-options", o.encode())
	if err != nil {
		return nil, fmt.Errorf("cannot write the server's options: %w", err)
	}
	return f, nil
}

// Inherited reads the options from the descriptor that Env names, closes it, and removes the
// variable from the environment. Without the variable it returns nil. Siblings may share the
// descriptor: Inherited does not use its offset.
func Inherited() (*Options, error) {
	text, ok := os.LookupEnv(Env)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(Env); err != nil {
		return nil, err
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("cannot use %s=%q: not a descriptor", Env, text)
	}
	f := os.NewFile(uintptr(fd), "server-options")
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, 0, maxOptions))
	if err != nil {
		return nil, fmt.Errorf("cannot read the server's options: %w", err)
	}
	return decode(string(data))
}

// encode returns the written form of the options: three strings for each, each with a zero byte
// at its end. No configuration contains a zero byte.
func (o *Options) encode() []byte {
	var b bytes.Buffer
	for _, t := range o.Written {
		for _, s := range []string{t.Name, t.Text, t.Origin} {
			b.WriteString(s)
			b.WriteByte(0)
		}
	}
	return b.Bytes()
}

// decode parses the options again. An unknown option is an error, because it could be a
// protection.
func decode(data string) (*Options, error) {
	var o Options
	words := strings.Split(data, "\x00")
	for ; len(words) > 3; words = words[3:] {
		row := Find(words[0])
		if row == nil {
			return nil, fmt.Errorf("cannot read the server's options: unknown option %q", words[0])
		}
		if err := o.Put(row, option.Value{Text: words[1], Origin: problem.Origin{File: words[2]}}); err != nil {
			return nil, fmt.Errorf("cannot read the server's options: %s: %w", words[0], err)
		}
	}
	if len(words) != 1 || words[0] != "" {
		return nil, errors.New("cannot read the server's options: they are cut off")
	}
	return &o, nil
}
