package serving

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/logger"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// setLogDate ignores a plain yes, with which uWSGI prints dates before its lines.
func setLogDate(o *Options, v option.Value) error {
	if strings.Contains(v.Text, "%") {
		o.Log.Date = v.Text
	}
	return nil
}

// setRequestLogger uses the first logger. It ignores loggers that only uWSGI has and relative
// paths; the table of vassals warns about them.
func setRequestLogger(o *Options, v option.Value) error {
	l, err := logger.Parse(v.Text)
	switch {
	case errors.Is(err, logger.ErrUnknown), l.Path != "" && !strings.HasPrefix(l.Path, "/"):
	case err != nil:
		return option.Wrong(err.Error(), "file:PATH, syslog:NAME, socket:ADDRESS or stdio")
	case o.Log.To == (logger.Logger{}):
		o.Log.To = l
	}
	return nil
}

// formats are the names of formats of lines about requests, beside texts with %(variables).
var formats = []string{"combined", "common", "json"}

// setRequestFormat accepts a text with variables, or the name of a format.
func setRequestFormat(o *Options, v option.Value) error {
	word := strings.Trim(v.Text, "abcdefghijklmnopqrstuvwxyz") == "" && v.Text != ""
	if word && !slices.Contains(formats, v.Text) {
		return option.Unknown("format", v.Text, formats...)
	}
	return (*option.Text)(&o.Log.Format).Parse(v.Text)
}

func setLogSlow(o *Options, v option.Value) error {
	ms, err := strconv.ParseUint(v.Text, 10, 31)
	if err != nil {
		return option.Wrong(strconv.Quote(v.Text)+" is not a time", "milliseconds")
	}
	o.Log.Slow = time.Duration(ms) * time.Millisecond
	return nil
}
