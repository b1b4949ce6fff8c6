package vassal

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/emperor-go/emperor/internal/procname"
	"github.com/emperor-go/emperor/pkg/config"
	"github.com/emperor-go/emperor/pkg/hooks"
	"github.com/emperor-go/emperor/pkg/wire"
)

// source is the origin of the configuration in effect. The zero value is the command line of
// the first program of this process.
//
//	command line or order --- fails ---> fallback --- fails ---> another fallback
//	        ^                               |
//	        +------- an order that is good -+
type source struct {
	order    *wire.Order // the emperor's, in effect or replaced by the fallback; nil: no emperor
	fallback *fallback   // in effect; nil: none
	tried    []string    // the files that failed or are in effect, to detect a circle
	later    bool        // this program is not the first of its process (execve(2))
}

// fallback is a configuration in place of one that failed.
type fallback struct{ file, why string }

// nameEnv is the variable by which a line can name the vassal, whatever characters the name
// contains.
const nameEnv = "UWSGI_VASSAL_NAME"

// name returns the emperor's name for the vassal, or an empty string.
func (s *source) name() string {
	if s.order == nil {
		return ""
	}
	return string(s.order.Name)
}

// nameFor returns the vassal's name, from the emperor or from its file, and whether a line of
// the options uses it.
func (s *source) nameFor(o *config.Vassal) (name string, asked bool) {
	if name = o.Name; s.order != nil {
		name = s.name()
	}
	return name, o.Mentions(nameEnv)
}

// fileOf returns the file of an order, or the file that is in effect in its place, or the file
// of the options.
func (s *source) fileOf(order *wire.Order, o *config.Vassal) string {
	switch {
	case s.fallback != nil && order == s.order:
		return s.fallback.file
	case order != nil:
		return string(order.Path)
	}
	return o.Name
}

// warnRoot warns, once in each start, that no option sets the user.
func (s *source) warnRoot(log *slog.Logger, o *config.Vassal) {
	if p, ok := o.Unnamed(s.fileOf(s.order, o)); ok && os.Geteuid() == 0 {
		log.Warn(p.Error())
	}
}

// nameProcess sets the process name of the options.
func (s *source) nameProcess(_ context.Context, o *config.Vassal) error {
	name := o.Names.Of(filepath.Base(os.Args[0]), "master", s.name())
	if name == "" {
		return nil
	}
	return procname.Set(name, !hooks.IsNative)
}
