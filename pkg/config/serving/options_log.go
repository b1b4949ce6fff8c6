package serving

import (
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// setLogDate ignores a plain yes, with which uWSGI prints dates before its lines.
func setLogDate(o *Options, v option.Value) error {
	if strings.Contains(v.Text, "%") {
		o.Log.Date = v.Text
	}
	return nil
}

// setRequestLogger ignores loggers that are not files. The table of vassals warns about them.
func setRequestLogger(o *Options, v option.Value) error {
	if path, _ := LoggerFile(v.Text); path != "" && o.Log.File == "" {
		o.Log.File = path
	}
	return nil
}

func setLogSlow(o *Options, v option.Value) error {
	ms, err := strconv.ParseUint(v.Text, 10, 31)
	if err != nil {
		return option.Wrong(strconv.Quote(v.Text)+" is not a time", "milliseconds")
	}
	o.Log.Slow = time.Duration(ms) * time.Millisecond
	return nil
}
