package webserver

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// ownFormat is uWSGI's line. Some of its words have no meaning here.
const ownFormat = "[pid: %(pid)|app: -|req: -/%(reqs)] %(addr) (%(user)) {%(vars) vars in %(pktsize) bytes} [%(ctime)] %(method) %(uri) => " +
	"generated %(rsize) bytes in %(msecs) msecs (%(proto) %(status)) %(headers) headers in %(hsize) bytes (%(switches) switches on core %(core))"

// ownMicros is the same with microseconds.
var ownMicros = strings.Replace(ownFormat, "%(msecs) msecs", "%(micros) micros", 1)

// The formats that nginx and Apache also have, and an object of JSON for each request.
const (
	commonFormat   = `%(addr) - %(user) [%(ltime)] "%(method) %(uri) %(proto)" %(status) %(rsize)`
	combinedFormat = commonFormat + ` "%(referer)" "%(uagent)"`
	jsonFormat     = `{"time":%(isotime),"addr":%(addr),"user":%(user),"method":%(method),"uri":%(uri),"proto":%(proto),"host":%(host),` +
		`"status":%(status),"size":%(rsize),"micros":%(micros),"referer":%(referer),"uagent":%(uagent),"pid":%(pid)}`
)

// commonDate is the date of %(ltime), in the common log format.
const commonDate = "%d/%b/%Y:%H:%M:%S %z"

// accessLog writes a line for each logged request.
type accessLog struct {
	serving.Log
	to    Lines
	parts []part
	place int64 // of this server in the shared statistics, from 1
	total atomic.Uint64

	mu    sync.Mutex
	line  []byte
	entry entry // of the line; its memory is used again
}

// part appends a piece of the line.
type part func(b []byte, e *entry) []byte

// entry is a request with the values that the log shows.
type entry struct {
	exchange *exchange
	took     time.Duration
	log      *accessLog
}

func newAccessLog(o serving.Log, to Lines) (*accessLog, error) {
	l := &accessLog{Log: o, to: to}
	format, variables := o.Format, newVariables()
	switch {
	case format == "" && o.Micros:
		format = ownMicros
	case format == "":
		format = ownFormat
	case format == "common":
		format = commonFormat
	case format == "combined":
		format = combinedFormat
	case format == "json":
		format, variables.text = jsonFormat, appendJSON
	}
	for format != "" {
		text, rest, found := strings.Cut(format, "%(")
		if text != "" {
			l.parts = append(l.parts, l.literal(text))
		}
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, ")")
		if !closed {
			return nil, fmt.Errorf("cannot use log-format: %%(%s is not closed", rest)
		}
		l.parts, format = append(l.parts, variables.part(name)), after
	}
	return l, nil
}

func (l *accessLog) literal(text string) part {
	if l.Strftime && strings.Contains(text, "%") {
		return func(b []byte, e *entry) []byte { return strftime(b, text, e.exchange.started) }
	}
	return func(b []byte, _ *entry) []byte { return append(b, text...) }
}

func (l *accessLog) write(x *exchange, took time.Duration) {
	l.total.Add(1)
	if x.result.secret || !l.wants(x, took) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &l.entry
	*e = entry{x, took, l}
	b := l.line[:0]
	for _, p := range l.parts {
		b = p(b, e)
	}
	b = append(b, '\n')
	e.exchange = nil
	_, _ = l.to.Write(b) // a failed write must not end the server
	if l.line = b; cap(b) > 16<<10 {
		l.line = nil
	}
}

func (l *accessLog) wants(x *exchange, took time.Duration) bool {
	switch {
	case !l.Disabled,
		l.Log4xx && x.result.status >= 400 && x.result.status < 500,
		l.Log5xx && x.result.status >= 500,
		l.Zero && x.result.size == 0,
		l.Slow > 0 && took >= l.Slow,
		l.Big > 0 && x.result.size >= l.Big:
		return true
	}
	return false
}

// client returns the address of the client.
func (e *entry) client() string {
	if e.log.ForwardedFor {
		// The proxy before this server added the last one; clients can add any others.
		if all := e.exchange.r.Header.Values("X-Forwarded-For"); len(all) > 0 {
			list := strings.Split(all[len(all)-1], ",")
			return strings.TrimSpace(list[len(list)-1])
		}
	}
	return e.exchange.variable("REMOTE_ADDR")
}

// texts are the variables that may contain a client's text, numbers the others. They are
// functions, so that only servers that need them pay for them.
func texts() map[string]func(*entry) string {
	return map[string]func(*entry) string{
		"uri": func(e *entry) string { return e.exchange.r.RequestURI }, "method": func(e *entry) string { return e.exchange.r.Method },
		"user": func(e *entry) string { return e.exchange.user }, "addr": (*entry).client,
		"host": func(e *entry) string { return e.exchange.r.Host }, "proto": func(e *entry) string { return e.exchange.r.Proto },
		"uagent": func(e *entry) string { return e.exchange.r.UserAgent() }, "referer": func(e *entry) string { return e.exchange.r.Referer() },
		"ctime": eachSecond(func(e *entry) string { return e.exchange.started.Format(time.ANSIC) }),
		"ltime": eachSecond(func(e *entry) string { return string(strftime(nil, commonDate, e.exchange.started)) }),
		"ftime": eachSecond(func(e *entry) string {
			return string(strftime(nil, cmp.Or(e.log.Date, commonDate), e.exchange.started))
		}),
		"isotime": eachSecond(func(e *entry) string { return e.exchange.started.Format(time.RFC3339) }),
		"route":   func(e *entry) string { return e.exchange.path },
	}
}

// eachSecond calls a function of the second in which a request started once for each second. The
// result is not safe for concurrent use: the log holds its lock.
func eachSecond(date func(*entry) string) func(*entry) string {
	second, text := int64(-1), ""
	return func(e *entry) string {
		if now := e.exchange.started.Unix(); now != second {
			second, text = now, date(e)
		}
		return text
	}
}

func numbers() map[string]func(*entry) int64 {
	pid := int64(os.Getpid())
	return map[string]func(*entry) int64{
		"status": func(e *entry) int64 { return int64(e.exchange.result.status) }, "rsize": func(e *entry) int64 { return e.exchange.result.size },
		"size": func(e *entry) int64 { return e.exchange.result.size }, "hsize": func(e *entry) int64 { return headerSize(e.exchange.Header()) },
		"cl": func(e *entry) int64 { return max(e.exchange.r.ContentLength, 0) }, "headers": func(e *entry) int64 { return int64(e.exchange.result.fields) },
		"micros": func(e *entry) int64 { return e.took.Microseconds() }, "msecs": func(e *entry) int64 { return e.took.Milliseconds() },
		"secs": func(e *entry) int64 { return int64(e.took / time.Second) }, "time": func(e *entry) int64 { return e.exchange.started.Unix() },
		"tmsecs": func(e *entry) int64 { return e.exchange.started.UnixMilli() }, "tmicros": func(e *entry) int64 { return e.exchange.started.UnixMicro() },
		"epoch": func(*entry) int64 { return time.Now().Unix() }, "unix": func(e *entry) int64 { return e.exchange.started.Unix() },
		"pid": func(*entry) int64 { return pid }, "wid": func(e *entry) int64 { return e.log.place },
		"vars": func(e *entry) int64 { return int64(e.exchange.proto.count) }, "pktsize": func(e *entry) int64 { return int64(e.exchange.proto.size) },
		"reqs":     func(e *entry) int64 { return int64(e.log.total.Load()) },
		"switches": zero, "core": zero, "modifier1": zero, "modifier2": zero,
		"rss": rss, "vsz": vsz, "rssM": func(e *entry) int64 { return rss(e) >> 20 }, "vszM": func(e *entry) int64 { return vsz(e) >> 20 },
		"ioerr": failures, "werr": failures, "rerr": zero,
	}
}

func zero(*entry) int64 { return 0 }

func rss(*entry) int64 {
	size, _ := memoryOf(int64(os.Getpid()))
	return size
}

func vsz(*entry) int64 {
	_, size := memoryOf(int64(os.Getpid()))
	return size
}

func failures(e *entry) int64 { return int64(number(e.exchange.result.failed)) }

// variables are the variables of a format.
type variables struct {
	texts   map[string]func(*entry) string
	numbers map[string]func(*entry) int64
	text    func(b []byte, s string) []byte // appends a client's text
}

func newVariables() variables { return variables{texts(), numbers(), appendText} }

func (v variables) part(name string) part {
	if key, ok := strings.CutPrefix(name, "var."); ok {
		return v.textPart(func(e *entry) string { return e.exchange.variable(key) })
	}
	if f, ok := v.texts[name]; ok {
		return v.textPart(f)
	}
	if f, ok := v.numbers[name]; ok {
		return func(b []byte, e *entry) []byte { return strconv.AppendInt(b, f(e), 10) }
	}
	// uWSGI has variables of applications as well; a variable that is not set is a dash.
	return v.textPart(func(*entry) string { return "" })
}

func (v variables) textPart(f func(*entry) string) part {
	return func(b []byte, e *entry) []byte { return v.text(b, f(e)) }
}

// appendText appends a dash for a text that is not there.
func appendText(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	return appendSafe(b, s)
}

// appendJSON appends a text as a string of JSON.
func appendJSON(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil {
		return append(b, `""`...)
	}
	return append(b, text...)
}

// appendSafe escapes a client's text, so that it can neither add lines or fields nor send
// control characters to a terminal or the journal.
func appendSafe(b []byte, s string) []byte {
	plain := 0
	for plain < len(s) && s[plain] >= ' ' && s[plain] < utf8.RuneSelf-1 && s[plain] != '"' && s[plain] != '\\' {
		plain++
	}
	b, s = append(b, s[:plain]...), s[plain:]
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == '"' || r == '\\' || r == utf8.RuneError && n == 1 || !strconv.IsPrint(r) {
			for _, c := range []byte(s[:n]) {
				b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
			}
		} else {
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	return b
}

const hexDigits = "0123456789abcdef"

func headerSize(h map[string][]string) (n int64) {
	for name, values := range h {
		for _, v := range values {
			n += int64(len(name) + len(": ") + len(v) + len("\r\n"))
		}
	}
	return n
}
