// Package serving answers one question: what is the built-in server told? The
// vassal checks its options and hands them over in a memfd, as they were written; the
// server program, which must stay small, reads them again and needs nothing else of
// pkg/config.
package serving

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// Env names the descriptor from which the server reads its options.
const Env = "VASSAL_SERVER_OPTIONS"

// maxOptions bounds what is read from the descriptor.
const maxOptions = 64 << 20

// Options is all the built-in server is told. The zero value of a field means
// what is said there.
type Options struct {
	// StaticMaps are tried in order, after CheckStatic. Maps with Whole set
	// (static-map2) come last.
	StaticMaps []Map
	// CheckStatic are directories in which any path is looked up first.
	CheckStatic []string
	// StaticIndex are the names tried in a directory. Empty: index.html.
	StaticIndex []string
	// StaticSkipExt are endings that are never served as files.
	StaticSkipExt []string
	// StaticSafe are directories to which links out of a mapping may lead.
	StaticSafe []string
	// Expires are tried in order; the first that fits counts.
	Expires []Expires
	// Gzip says for which files a ready file.gz is looked for.
	Gzip Gzip
	// MimeFiles are further databases of types, such as /etc/mime.types.
	MimeFiles []string

	// CGI maps paths to directories of programs, or to one program.
	CGI []Map
	// CGIIndex are programs tried in a directory, CGIExt the only endings that
	// run (empty: any), CGIHelpers the programs that run files of an ending.
	CGIIndex, CGIExt []string
	CGIHelpers       []CGIHelper
	// HTTPTo are backends for what no file answers, used in turn.
	HTTPTo []string
	// Routes are run in order before everything else.
	Routes []Route
	// Pages are sent for answers that the server itself gives.
	Pages []Page
	// AddHeaders are added to each response, as `Name: value`.
	AddHeaders []string

	Log Log

	// SocketProtocol is what sockets given by `socket` speak. Empty: uwsgi.
	SocketProtocol string
	// Certificates belong to the https-socket and https options, in their order.
	Certificates []Certificate
	// Behind belong to the sockets that the server is given, in their order: where
	// requests go that nothing else answers. Empty: nothing is behind any.
	Behind []Behind
	// BufferSize bounds the headers of a request, in bytes. Zero: 64 KiB.
	BufferSize int
	// LimitPost bounds the body of a request, in bytes. Zero: no bound.
	LimitPost int64
	// SocketTimeout is how long a client may take for the next bytes of a body,
	// or to take those of a response. Zero: 30 seconds.
	SocketTimeout time.Duration
	// KeepAlive is how long an idle connection stays. Zero: 60 seconds.
	KeepAlive time.Duration
	// RequestTimeout bounds each request. Zero: no bound.
	RequestTimeout time.Duration

	// StatsHTTP answers as HTTP on the stats socket, StatsMinified without space.
	StatsHTTP, StatsMinified bool
	// Heartbeat is the time between signs of life to the master. Zero: none.
	Heartbeat time.Duration
	// NeedApp: having nothing to serve is an error.
	NeedApp bool

	// Written is what all of it was read from, as Put adds to it.
	Written []Written
}

// Written is an option as it was written: its name, its text, and where.
type Written struct{ Name, Text, Origin string }

// Find returns the row of an option, or nil.
func Find(name string) *option.Row[Options] {
	if row := further.Find(name); row != nil {
		return row
	}
	return Rows.Find(name)
}

// Put sets an option. A NUL byte is refused: it would divide the value when that is
// handed over.
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

// Serves reports whether there is anything to answer with.
func (o *Options) Serves() bool {
	return len(o.StaticMaps)+len(o.CheckStatic)+len(o.CGI)+len(o.HTTPTo)+len(o.Routes) > 0 || len(o.Behind) > 0
}

// Answers reports whether a server before another one would change any answer.
func (o *Options) Answers() bool { return o.Serves() || len(o.AddHeaders) > 0 }

// Unlogged returns the options of a server that only passes requests on: to log them is for
// the program behind it, as behind uWSGI's router.
func (o Options) Unlogged() (*Options, error) {
	o.Written = slices.Clone(o.Written)
	return &o, o.Put(Find("disable-logging"), option.Value{Text: "true"})
}

// Map maps the paths under Mount to the directory or file Dir.
type Map struct {
	Mount, Dir string
	// Whole: the whole path is looked up in Dir, not the part after Mount.
	Whole bool
}

// Expires sets the Expires header of files.
type Expires struct {
	// Subject is what Pattern is applied to: type, file, uri or path-info.
	Subject, Pattern string
	// Seconds are added to now or, with FromMtime, to the file's time.
	Seconds   int64
	FromMtime bool
}

// Gzip says for which files a compressed twin is served.
type Gzip struct {
	All      bool
	Patterns []string
	Dirs     []string
	Suffixes []string
}

// Page is a file of HTML for answers with a status. Of several for one the first counts
// that can be opened.
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

// Behind is a server to which a request is passed on. The zero value is none.
type Behind struct {
	// Protocol is what it speaks: http or uwsgi.
	Protocol string
	// Address is as options have it.
	Address string
}

// CGIHelper runs programs that end in Ext by Program.
type CGIHelper struct{ Ext, Program string }

// Certificate is the key pair of an https-socket.
type Certificate struct {
	// Address is that of the socket, for messages.
	Address string
	// Cert and Key are files, read again when they change.
	Cert, Key string
	// ClientCA is a file of authorities of which clients must have a
	// certificate. Empty: clients need none.
	ClientCA string
}

// Log is about the log of requests.
type Log struct {
	// Format has uWSGI's variables. Empty: uWSGI's own line.
	Format string
	// Date is a strftime format for %(ftime). Empty: that of %(ltime).
	Date string
	// Strftime applies strftime to the whole line.
	Strftime bool
	// ForwardedFor takes the client's address from X-Forwarded-For.
	ForwardedFor bool
	// Disabled leaves requests out but those that one of the next asks for.
	Disabled bool
	Log4xx   bool
	Log5xx   bool
	// Zero logs responses without a body, Slow those that took at least so
	// long, and Big those of at least so many bytes; 0 is off.
	Zero bool
	Slow time.Duration
	Big  int64
	// Micros reports microseconds in uWSGI's own line.
	Micros bool
	// File gets the lines. Empty: standard error does.
	File string
}

// LoggerFile is the file that uWSGI's logger file:PATH, or file:logfile=PATH with further
// settings of it, writes to, and the names of those settings. The path is empty for all
// other loggers and for a relative path.
func LoggerFile(text string) (path string, settings []string) {
	path, ok := strings.CutPrefix(text, "file:")
	if !ok {
		return "", nil
	}
	if strings.HasPrefix(path, "logfile=") || strings.Contains(path, ",logfile=") {
		pairs := path
		path = ""
		for pair := range strings.SplitSeq(pairs, ",") {
			if name, value, _ := strings.Cut(pair, "="); name == "logfile" {
				path = value
			} else {
				settings = append(settings, name)
			}
		}
	}
	if !strings.HasPrefix(path, "/") {
		return "", nil
	}
	return path, settings
}

// Memfd writes the options where a child can read them. The caller closes it.
func (o *Options) Memfd() (*os.File, error) {
	fd, err := unix.MemfdCreate("server-options", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("cannot make room for the server's options: %w", err)
	}
	f := os.NewFile(uintptr(fd), "server-options")
	if _, err = f.Write(o.encode()); err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot write the server's options: %w", err)
	}
	return f, nil
}

// Inherited reads the options from the descriptor that Env names, closes it and
// takes the variable out of the environment. Without the variable it returns nil.
// The descriptor may be shared with siblings: its offset does not matter.
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

// encode writes what the options were written as: three strings for each, with a zero
// byte behind each, which no configuration has.
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

// decode reads them again. It refuses what it does not know: an option that is passed
// over could be one that protects something.
func decode(data string) (*Options, error) {
	var o Options
	words := strings.Split(data, "\x00")
	for ; len(words) > 3; words = words[3:] {
		row := Find(words[0])
		if row == nil {
			return nil, fmt.Errorf("cannot read the server's options: unknown option %q", words[0])
		}
		if err := o.Put(row, option.Value{Text: words[1], Origin: option.Origin{File: words[2]}}); err != nil {
			return nil, fmt.Errorf("cannot read the server's options: %s: %w", words[0], err)
		}
	}
	if len(words) != 1 || words[0] != "" {
		return nil, errors.New("cannot read the server's options: they are cut off")
	}
	return &o, nil
}
