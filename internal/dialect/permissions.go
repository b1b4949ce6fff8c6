package dialect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/assist"
	"github.com/emperor-go/emperor/internal/cause"
	"github.com/emperor-go/emperor/internal/dialect/foreign"
	"github.com/emperor-go/emperor/pkg/namespaces"
)

// Permissions list the resources that reading a configuration may use, in addition to its text.
// The zero value permits none: it is for untrusted text.
type Permissions struct {
	// Files: other files may be opened and looked up, by includes, templates, @(path), if-file
	// and similar options.
	Files bool
	// Run: commands may be run, descriptors read and the network used, by the schemes exec://,
	// fd://, http:// and emperor:// and by resolve.
	Run bool
	// Owner: Files and Run are also for a tenant's own text (Source.Tenant), which has neither
	// otherwise. Only for a process that has no more rights than the tenant.
	Owner bool
	// Trusted: the operator's text may only open files of root that no other user can write
	// to. All others are skipped, as with Partial: their owners
	// would speak for the operator.
	Trusted bool
	// Recall has the contents and the places of files, commands and addresses of the operator's
	// text that an earlier reading has recorded in it, with more rights perhaps. Nil: there is
	// no record, and none is made.
	Recall map[string]string
	// Environ are the variables for $(NAME) and if-env, as os.Environ returns them. Empty:
	// none.
	Environ []string
	// Secrets are further variables for the operator's text only.
	Secrets []string
	// Dir is where relative names start, and the working directory in magic variables. Empty:
	// the working directory of this process.
	Dir string
	// Foreign reads YAML and XML. Nil: they cannot be read.
	Foreign foreign.Parser
	// Means ask other hosts, for http:// and resolve, and match regular expressions. Zero: other hosts cannot
	// be asked, and expressions are not checked.
	Means assist.Means
	// Partial skips includes and expansions that are not permitted instead of reporting them.
	// The result is a part of the configuration, for finding mistakes.
	Partial bool
	// Until interrupts commands, downloads and look-ups. Nil: never.
	Until context.Context
	// Reading is called with each additional source before it is read. Nil: no call.
	Reading func(name string)
	// Held: the parent of the vassal passes sockets to it, or may, which its text does not
	// name.
	Held bool
}

func (a Permissions) until() context.Context {
	if a.Until == nil {
		return context.Background()
	}
	return a.Until
}

// expression returns the check of regular expressions; nil: there is none.
func (a Permissions) expression() func(string) error {
	if a.Means.Match == nil {
		return nil
	}
	return func(text string) error { return a.Means.Check(a.until(), text) }
}

// path returns the path of a file name.
func (a Permissions) path(name string) string {
	if a.Dir == "" || name == "" || filepath.IsAbs(name) {
		return name
	}
	return a.Dir + "/" + name
}

// absolute returns its absolute path.
func (a Permissions) absolute(name string) (string, error) { return filepath.Abs(a.path(name)) }

// cwd returns the working directory as the configuration sees it.
func (a Permissions) cwd() (string, error) {
	if a.Dir != "" {
		return a.Dir, nil
	}
	return os.Getwd()
}

// FullPermissions returns the permissions of a program for its own configuration: all.
func FullPermissions(parser foreign.Parser, means assist.Means) Permissions {
	return Permissions{Files: true, Run: true, Environ: os.Environ(), Foreign: parser, Means: means}
}

// need is one kind of access.
type need int

const (
	needNothing need = iota
	needFiles
	needRun
	needEnviron
)

// errLeftOut is returned for a resource that a partial reading skips.
var errLeftOut = errors.New("left out")

// allowed reports whether an access is permitted; if not, it records the reason.
func (r *Reader) allowed(n need, key string) bool {
	switch {
	case n == needFiles && (!r.permissions.Files || r.position.tenant && !r.permissions.Owner):
	case n == needRun && (!r.permissions.Run || r.position.tenant && !r.permissions.Owner):
	case n == needEnviron && r.permissions.Partial && r.permissions.Environ == nil:
	default:
		return true
	}
	if r.outcome.partial = true; !r.permissions.Partial {
		hint := "this configuration is not trusted with it"
		if n == needFiles {
			r.problem(key, "no other file may be opened or looked up here", hint)
		} else {
			r.problem(key, "nothing may be run or requested here", hint)
		}
	}
	return false
}

// failed records the error of a resource. It ignores skipped resources; refused ones are
// recorded already.
func (r *Reader) failed(key string, err error) {
	if !errors.Is(err, errLeftOut) {
		r.problem(key, err.Error(), "")
	}
}

// content returns the content of a name: a scheme, standard input or a file. A tenant's own text reads
// a template as any other file.
func (r *Reader) content(key, name string) ([]byte, error) {
	if src, ok := r.files.given[name]; ok && src.Data != nil && (src.Tenant || !r.position.tenant) {
		return src.Data, nil
	}
	text, err := recalled(r, "content "+name, func() (string, error) {
		data, err := r.fresh(key, name)
		return string(data), err
	})
	return []byte(text), err
}

// recalled returns the result of an earlier reading of the operator's text, or find's result.
func recalled(r *Reader, what string, find func() (string, error)) (string, error) {
	known := r.permissions.Recall
	if known == nil || r.position.tenant {
		return find()
	}
	if text, ok := known[what]; ok {
		return text, nil
	}
	text, err := find()
	if err == nil {
		known[what] = text
	}
	return text, err
}

// fresh reads the source of a name.
func (r *Reader) fresh(key, name string) ([]byte, error) {
	if r.permissions.Reading != nil {
		r.permissions.Reading(name)
	}
	if scheme, rest, ok := strings.Cut(name, "://"); ok && isScheme(scheme) {
		if scheme == "exec" && len(r.position.names) > 0 {
			r.Report(Entry{Key: key, Origin: r.position.at}.mistaken(r.position.names[0]))
			return nil, errLeftOut
		}
		if !r.allowed(needRun, key) {
			return nil, errLeftOut
		}
		return r.permissions.fetch(scheme, rest)
	}
	if name == "-" {
		if !r.allowed(needRun, key) {
			return nil, errLeftOut
		}
		return readAll(name, os.Stdin)
	}
	if !r.allowed(needFiles, key) {
		return nil, errLeftOut
	}
	return r.file(name)
}

// file reads a file. A partial reading skips files that may block.
func (r *Reader) file(name string) ([]byte, error) {
	path := r.permissions.path(name)
	if r.permissions.Partial && !isKind(path, unix.S_IFREG) && exists(path) {
		r.outcome.partial = true
		return nil, errLeftOut
	}
	if r.permissions.Trusted && !r.position.tenant {
		data, err := readTrusted(path)
		if errors.Is(err, errLeftOut) {
			r.outcome.partial = true
		}
		return data, renamed(err, path, name)
	}
	data, err := ReadFile(path)
	return data, renamed(err, path, name)
}

// readTrusted is ReadFile for a file about which root alone decides. It returns errLeftOut for any other.
func readTrusted(name string) ([]byte, error) {
	f, err := namespaces.OpenTrusted(name)
	if errors.Is(err, namespaces.ErrForeign) {
		return nil, errLeftOut
	}
	if err != nil {
		return nil, cannot("open", name, err)
	}
	defer f.Close()
	return readAll(name, f)
}

func exists(path string) bool { return unix.Access(path, unix.F_OK) == nil }

// ReadFile reads a file, and never more than MaxFile of it.
func ReadFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, cannot("open", name, err)
	}
	defer f.Close()
	return readAll(name, f)
}

func readAll(name string, from io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, MaxFile+1))
	if err != nil {
		return nil, cannot("read", name, err)
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("cannot read %q: it is larger than 2 MiB", name)
	}
	return data, nil
}

// errFile is an error about a file.
type errFile struct {
	verb, name string
	cause      error
}

func (e errFile) Error() string { return fmt.Sprintf("cannot %s %q: %v", e.verb, e.name, e.cause) }
func (e errFile) Unwrap() error { return e.cause }

// renamed makes an error name a file as it was written.
func renamed(err error, path, name string) error {
	var e errFile
	if errors.As(err, &e) && e.name == path {
		e.name = name
		return e
	}
	return err
}

// cannot returns an error about a file that contains the name once.
func cannot(verb, name string, err error) error { return errFile{verb, name, cause.Of(err)} }
