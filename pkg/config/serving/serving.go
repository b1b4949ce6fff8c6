// Package serving answers one question: what is the built-in server told? The
// vassal fills the struct from its options and hands it over in a memfd; the
// server program, which must stay small, needs nothing else of pkg/config.
package serving

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
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
	StaticMaps []Map `json:",omitempty"`
	// CheckStatic are directories in which any path is looked up first.
	CheckStatic []string `json:",omitempty"`
	// StaticIndex are the names tried in a directory. Empty: index.html.
	StaticIndex []string `json:",omitempty"`
	// StaticSkipExt are endings that are never served as files.
	StaticSkipExt []string `json:",omitempty"`
	// StaticSafe are directories to which links out of a mapping may lead.
	StaticSafe []string `json:",omitempty"`
	// Expires are tried in order; the first that fits counts.
	Expires []Expires `json:",omitempty"`
	// Gzip says for which files a ready file.gz is looked for.
	Gzip Gzip
	// MimeFiles are further databases of types, such as /etc/mime.types.
	MimeFiles []string `json:",omitempty"`

	// CGI maps paths to directories of programs, or to one program.
	CGI []Map `json:",omitempty"`
	// CGIIndex are programs tried in a directory, CGIExt the only endings that
	// run (empty: any), CGIHelpers the programs that run files of an ending.
	CGIIndex, CGIExt []string    `json:",omitempty"`
	CGIHelpers       []CGIHelper `json:",omitempty"`
	// HTTPTo are backends for what no file answers, used in turn.
	HTTPTo []string `json:",omitempty"`
	// Routes are run in order before everything else.
	Routes []Route `json:",omitempty"`
	// AddHeaders are added to each response, as `Name: value`.
	AddHeaders []string `json:",omitempty"`

	Log Log

	// SocketProtocol is what sockets given by `socket` speak. Empty: uwsgi.
	SocketProtocol string `json:",omitempty"`
	// Certificates belong to the https-socket options, in their order.
	Certificates []Certificate `json:",omitempty"`
	// BufferSize bounds the headers of a request, in bytes. Zero: 64 KiB.
	BufferSize int `json:",omitempty"`
	// LimitPost bounds the body of a request, in bytes. Zero: no bound.
	LimitPost int64 `json:",omitempty"`
	// SocketTimeout is how long a client may take for the next bytes of a body,
	// or to take those of a response. Zero: 30 seconds.
	SocketTimeout time.Duration `json:",omitempty"`
	// KeepAlive is how long an idle connection stays. Zero: 60 seconds.
	KeepAlive time.Duration `json:",omitempty"`
	// RequestTimeout bounds each request. Zero: no bound.
	RequestTimeout time.Duration `json:",omitempty"`

	// StatsHTTP answers as HTTP on the stats socket, StatsMinified without space.
	StatsHTTP, StatsMinified bool `json:",omitempty"`
	// Heartbeat is the time between signs of life to the master. Zero: none.
	Heartbeat time.Duration `json:",omitempty"`
	// NeedApp: having nothing to serve is an error.
	NeedApp bool `json:",omitempty"`
}

// Serves reports whether there is anything to answer with.
func (o *Options) Serves() bool {
	return len(o.StaticMaps)+len(o.CheckStatic)+len(o.CGI)+len(o.HTTPTo)+len(o.Routes) > 0
}

// Map maps the paths under Mount to the directory or file Dir.
type Map struct {
	Mount, Dir string
	// Whole: the whole path is looked up in Dir, not the part after Mount.
	Whole bool `json:",omitempty"`
}

// Expires sets the Expires header of files.
type Expires struct {
	// Subject is what Pattern is applied to: type, file, uri or path-info.
	Subject, Pattern string
	// Seconds are added to now or, with FromMtime, to the file's time.
	Seconds   int64
	FromMtime bool `json:",omitempty"`
}

// Gzip says for which files a compressed twin is served.
type Gzip struct {
	All      bool     `json:",omitempty"`
	Patterns []string `json:",omitempty"`
	Dirs     []string `json:",omitempty"`
	Suffixes []string `json:",omitempty"`
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
	ClientCA string `json:",omitempty"`
}

// Log is about the log of requests.
type Log struct {
	// Format has uWSGI's variables. Empty: uWSGI's own line.
	Format string `json:",omitempty"`
	// Date is a strftime format for %(ftime). Empty: that of %(ltime).
	Date string `json:",omitempty"`
	// Strftime applies strftime to the whole line.
	Strftime bool `json:",omitempty"`
	// ForwardedFor takes the client's address from X-Forwarded-For.
	ForwardedFor bool `json:",omitempty"`
	// Disabled leaves requests out but those that one of the next asks for.
	Disabled bool `json:",omitempty"`
	Log4xx   bool `json:",omitempty"`
	Log5xx   bool `json:",omitempty"`
	// Zero logs responses without a body, Slow those that took at least so
	// long, and Big those of at least so many bytes; 0 is off.
	Zero bool          `json:",omitempty"`
	Slow time.Duration `json:",omitempty"`
	Big  int64         `json:",omitempty"`
	// Micros reports microseconds in uWSGI's own line.
	Micros bool `json:",omitempty"`
}

// Memfd writes the options where a child can read them. The caller closes it.
func (o *Options) Memfd() (*os.File, error) {
	data, err := encode(o)
	if err != nil {
		return nil, fmt.Errorf("cannot write the server's options: %w", err)
	}
	fd, err := unix.MemfdCreate("server-options", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("cannot make room for the server's options: %w", err)
	}
	f := os.NewFile(uintptr(fd), "server-options")
	if _, err = f.Write(data); err == nil {
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
	return decode(io.NewSectionReader(f, 0, maxOptions))
}

// encode writes the fields that are not zero, and decode reads those that are there,
// one by one: package json would first look into the types of all of them, which
// takes every vassal longer than the rest.
func encode(o *Options) ([]byte, error) {
	given, all := map[string]any{}, reflect.ValueOf(o).Elem()
	for i := range all.NumField() {
		if field := all.Field(i); !field.IsZero() {
			given[all.Type().Field(i).Name] = field.Interface()
		}
	}
	return json.Marshal(given)
}

// decode refuses what it does not know: an option that is passed over could be
// one that protects something.
func decode(r io.Reader) (*Options, error) {
	o, given := &Options{}, map[string]json.RawMessage{}
	err := json.NewDecoder(r).Decode(&given)
	for name, text := range given {
		field := reflect.ValueOf(o).Elem().FieldByName(name)
		if !field.IsValid() {
			err = fmt.Errorf("unknown field %q", name)
		}
		if err != nil {
			break
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		err = d.Decode(field.Addr().Interface())
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the server's options: %w", err)
	}
	return o, nil
}
