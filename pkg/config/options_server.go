package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// Server is what the built-in server is told.
type Server = serving.Options

// serverOptions are those of the built-in server.
func serverOptions() table[Vassal] {
	rows := slices.Concat(staticOptions(), answerOptions(), routeOptions(), requestLogOptions(), limitOptions())
	slices.SortFunc(rows, func(a, b option[Vassal]) int {
		return cmp.Or(cmp.Compare(slices.Index(groups, a.group), slices.Index(groups, b.group)), strings.Compare(a.name, b.name))
	})
	return rows
}

// staticOptions serve files.
func staticOptions() table[Vassal] {
	const g = "Static files"
	rows := table[Vassal]{
		{
			name: "check-static", aliases: []string{"static-check"}, group: g, arg: "DIR", repeat: true, help: "look for every path in a directory first",
			set: serverList(func(s *Server) *[]string { return &s.CheckStatic }, "no directory given"),
		},
		{
			name: "mimefile", aliases: []string{"mime-file"}, group: g, arg: "FILE", repeat: true, help: "further database of file types",
			set: serverList(func(s *Server) *[]string { return &s.MimeFiles }, "no file given"),
		},
		{name: "static-gzip", group: g, arg: "REGEX", repeat: true, help: "serve FILE.gz for files whose path fits", set: setGzipPattern},
		{name: "static-gzip-all", group: g, help: "serve FILE.gz where there is one", set: serverFlag(func(s *Server) *bool { return &s.Gzip.All })},
		{
			name: "static-gzip-dir", aliases: []string{"static-gzip-prefix"}, group: g, arg: "DIR", repeat: true, help: "serve FILE.gz for files below a directory",
			set: serverList(func(s *Server) *[]string { return &s.Gzip.Dirs }, "no directory given"),
		},
		{
			name: "static-gzip-ext", aliases: []string{"static-gzip-suffix"}, group: g, arg: "SUFFIX", repeat: true, help: "serve FILE.gz for files with an ending",
			set: serverList(func(s *Server) *[]string { return &s.Gzip.Suffixes }, "no ending given"),
		},
		{
			name: "static-index", group: g, arg: "NAME", def: "index.html", repeat: true, help: "file to serve for a directory",
			set: serverList(func(s *Server) *[]string { return &s.StaticIndex }, "no name given"),
		},
		{name: "static-map", group: g, arg: "/MOUNT=PATH", repeat: true, help: "serve a directory or a file by the built-in server", set: setStaticMap(false)},
		{name: "static-map2", group: g, arg: "/MOUNT=DIR", repeat: true, help: "as static-map, but the mount is part of the path in the directory", set: setStaticMap(true)},
		{
			name: "static-safe", group: g, arg: "DIR", repeat: true, help: "symbolic links may lead into this directory",
			set: serverList(func(s *Server) *[]string { return &s.StaticSafe }, "no directory given"),
		},
		{
			name: "static-skip-ext", group: g, arg: "SUFFIX", repeat: true, help: "never serve files with this ending",
			set: serverList(func(s *Server) *[]string { return &s.StaticSkipExt }, "no ending given"),
		},
	}
	for name, about := range map[string][2]string{
		"static-expires": {"file", "regex on the file's path"}, "static-expires-type": {"type", "the file's type"},
		"static-expires-uri": {"uri", "regex on the request's uri"}, "static-expires-path-info": {"path-info", "regex on the request's path"},
	} {
		arg := "REGEX SECONDS"
		if about[0] == "type" {
			arg = "TYPE=SECONDS"
		}
		rows = append(rows,
			option[Vassal]{name: name, group: g, arg: arg, repeat: true, help: "set Expires by " + about[1], set: setExpires(about[0], false)},
			option[Vassal]{name: name + "-mtime", group: g, arg: arg, repeat: true, help: "set Expires by " + about[1] + ", from its mtime", set: setExpires(about[0], true)})
	}
	return reloadable(rows)
}

// answerOptions answer by programs and by other servers.
func answerOptions() table[Vassal] {
	const g = "Serving"
	return reloadable(table[Vassal]{
		{name: "add-header", group: g, arg: "NAME: VALUE", repeat: true, help: "add a header to every response", set: setAddHeader},
		{name: "cgi", group: g, arg: "[/MOUNT=]PATH", repeat: true, help: "run programs of a directory, or one program, by CGI", set: setCGI},
		{
			name: "cgi-allowed-ext", group: g, arg: "SUFFIX", repeat: true, help: "run only programs with this ending",
			set: serverList(func(s *Server) *[]string { return &s.CGIExt }, "no ending given"),
		},
		{name: "cgi-helper", group: g, arg: ".EXT=PROGRAM", repeat: true, help: "run files with an ending by a program", set: setCGIHelper},
		{
			name: "cgi-index", group: g, arg: "NAME", repeat: true, help: "program to run for a directory",
			set: serverList(func(s *Server) *[]string { return &s.CGIIndex }, "no name given"),
		},
		{
			name: "heartbeat", group: g, arg: "TIME", help: "time between signs of life of the built-in server",
			set: duration(func(v *Vassal) *time.Duration { return &v.Server.Heartbeat }),
		},
		{name: "http-to", group: g, arg: "ADDRESS", repeat: true, help: "pass what no file answers on to an HTTP server", set: setHTTPTo},
		{name: "need-app", group: g, help: "exit with 1 when there is nothing to serve", set: serverFlag(func(s *Server) *bool { return &s.NeedApp })},
		{name: "stats-http", group: g, help: "answer as HTTP on the stats socket", set: serverFlag(func(s *Server) *bool { return &s.StatsHTTP })},
		{
			name: "stats-minified", aliases: []string{"stats-min"}, group: g, help: "no white space in the statistics",
			set: serverFlag(func(s *Server) *bool { return &s.StatsMinified }),
		},
	})
}

// routeOptions make a row for each subject of a rule.
func routeOptions() table[Vassal] {
	rows := make(table[Vassal], 0, len(serving.Subjects()))
	for _, subject := range serving.Subjects() {
		o := option[Vassal]{name: "route-" + subject, group: "Routing", arg: "REGEX ACTION:ARG", repeat: true}
		switch subject {
		case "path-info":
			o.name, o.help = "route", "rule for paths"
		case "run":
			o.arg, o.help = "ACTION:ARG", "rule for every request"
		case "label":
			o.arg, o.help = "NAME", "where goto leads"
		case "if":
			o.arg, o.help = "TEST:ARG ACTION:ARG", "rule for requests that pass a test"
		case "if-not":
			o.arg, o.help = "TEST:ARG ACTION:ARG", "rule for requests that fail a test"
		default:
			o.help = "rule for requests by their " + strings.ReplaceAll(subject, "-", " ")
		}
		o.set = func(v *Vassal, t value) error {
			r, err := serving.ParseRoute(subject, t.text)
			r.Origin = t.origin.String()
			v.Server.Routes = append(v.Server.Routes, r)
			return err
		}
		rows = append(rows, o)
	}
	return reloadable(rows)
}

// requestLogOptions are about the log of requests.
func requestLogOptions() table[Vassal] {
	const g = "Logging"
	return reloadable(table[Vassal]{
		{name: "disable-logging", group: g, help: "do not log requests", set: serverFlag(func(s *Server) *bool { return &s.Log.Disabled })},
		{name: "log-4xx", group: g, help: "log answers of 400 to 499 in any case", set: serverFlag(func(s *Server) *bool { return &s.Log.Log4xx })},
		{name: "log-5xx", group: g, help: "log answers of 500 and above in any case", set: serverFlag(func(s *Server) *bool { return &s.Log.Log5xx })},
		{name: "log-big", group: g, arg: "BYTES", help: "log answers of this size in any case", set: setLogBig},
		{name: "log-date", aliases: []string{"logdate"}, group: g, arg: "[FORMAT]", help: "strftime format of %(ftime) in log-format", set: setLogDate},
		{
			name: "log-format", aliases: []string{"logformat"}, group: g, arg: "FORMAT", help: "line to log for a request, with %(variables)",
			set: func(v *Vassal, t value) error {
				v.Server.Log.Format = t.text
				return nonempty(t.text, "no format given")
			},
		},
		{
			name: "log-format-strftime", aliases: []string{"logformat-strftime"}, group: g, help: "apply strftime to log-format",
			set: serverFlag(func(s *Server) *bool { return &s.Log.Strftime }),
		},
		{name: "log-micros", group: g, help: "report microseconds, not milliseconds", set: serverFlag(func(s *Server) *bool { return &s.Log.Micros })},
		{name: "log-slow", group: g, arg: "MILLISECONDS", help: "log requests that take so long in any case", set: setLogSlow},
		{name: "log-x-forwarded-for", group: g, help: "take the client's address from X-Forwarded-For", set: serverFlag(func(s *Server) *bool { return &s.Log.ForwardedFor })},
		{name: "log-zero", group: g, help: "log answers without a body in any case", set: serverFlag(func(s *Server) *bool { return &s.Log.Zero })},
	})
}

// limitOptions bound what clients can ask for.
func limitOptions() table[Vassal] {
	const g = "Serving"
	return reloadable(table[Vassal]{
		{name: "buffer-size", group: g, arg: "BYTES", def: "65536", help: "bound of a request's headers", set: setBufferSize},
		{
			name: "http-keepalive", group: g, arg: "[TIME]", def: "60", help: "how long an idle connection of a client stays",
			set: unlessEmpty(duration(func(v *Vassal) *time.Duration { return &v.Server.KeepAlive })),
		},
		{
			name: "limit-post", group: g, arg: "BYTES", help: "bound of a request's body; 0: none",
			set: func(v *Vassal, t value) (err error) { v.Server.LimitPost, err = parseSize(t.text); return err },
		},
		{
			name: "request-timeout", aliases: []string{"harakiri"}, group: g, arg: "TIME", help: "bound of a request; 0: none",
			set: duration(func(v *Vassal) *time.Duration { return &v.Server.RequestTimeout }),
		},
		{name: "socket-protocol", aliases: []string{"protocol"}, group: g, arg: "PROTOCOL", def: "uwsgi", help: "what the built-in server speaks on `socket`: uwsgi, http or fastcgi", set: setProtocol},
		{
			name: "socket-timeout", group: g, arg: "TIME", def: "30", help: "how long a client may take for its next bytes",
			set: positive(func(v *Vassal) *time.Duration { return &v.Server.SocketTimeout }),
		},
	})
}

// reloadable marks rows that new workers take over and that a tenant may give:
// whatever they name is opened with the vassal's rights.
func reloadable(rows table[Vassal]) table[Vassal] {
	for i := range rows {
		rows[i].change, rows[i].tyrant = Reload, true
	}
	return rows
}

func serverFlag(field func(*Server) *bool) func(*Vassal, value) error {
	return func(v *Vassal, t value) error { *field(&v.Server) = parseBool(t.text); return nil }
}

func serverList(field func(*Server) *[]string, missing string) func(*Vassal, value) error {
	return func(v *Vassal, t value) error {
		list := field(&v.Server)
		*list = append(*list, t.text)
		return nonempty(t.text, missing)
	}
}

// withoutStats takes sockets for statistics away where no built-in server tells
// them: the command would take them for sockets to serve.
func (v *Vassal) withoutStats(warnings *Problems) {
	if v.Server.Serves() {
		return
	}
	before := len(v.Sockets)
	v.Sockets = slices.DeleteFunc(v.Sockets, func(s Socket) bool { return s.Name == "stats" })
	if len(v.Sockets) < before {
		warnings.add(v.Origin("stats"), "stats", "only the built-in server has statistics: the socket is not bound", "")
	}
}

// setHTTPS reads uWSGI's ADDRESS,CERT,KEY[,CIPHERS[,CLIENT-CA]]. Ciphers are Go's
// choice.
func setHTTPS(v *Vassal, t value) error {
	words := append(strings.Split(t.text, ","), "", "", "")
	address, cert, key, ciphers, ca := words[0], words[1], words[2], words[3], strings.TrimPrefix(words[4], "!")
	if address == "" || cert == "" || key == "" || len(words) > 8 {
		return hinted{strconv.Quote(t.text) + " is no address with certificate and key", "such as :443,web.crt,web.key"}
	}
	if ciphers != "" && ciphers != "HIGH" {
		return hinted{"the ciphers cannot be chosen here", "leave the field empty"}
	}
	v.Sockets = append(v.Sockets, Socket{"https-socket", address})
	v.Server.Certificates = append(v.Server.Certificates, serving.Certificate{Address: address, Cert: cert, Key: key, ClientCA: ca})
	return nil
}

func setStaticMap(whole bool) func(*Vassal, value) error {
	return func(v *Vassal, t value) error {
		m, err := parseStaticMap(t.text)
		m.Whole = whole
		v.Server.StaticMaps = append(v.Server.StaticMaps, m)
		return err
	}
}

func setExpires(subject string, mtime bool) func(*Vassal, value) error {
	return func(v *Vassal, t value) error {
		e := serving.Expires{Subject: subject, FromMtime: mtime}
		cut, shape := strings.LastIndexByte(t.text, ' '), "such as \\.png$ 3600"
		if subject == "type" {
			cut, shape = strings.LastIndexByte(t.text, '='), "such as image/png=3600"
		}
		if cut < 1 {
			return hinted{strconv.Quote(t.text) + " is not a rule", shape}
		}
		var err error
		if e.Seconds, err = strconv.ParseInt(t.text[cut+1:], 10, 62); err != nil {
			return hinted{strconv.Quote(t.text[cut+1:]) + " is not a number of seconds", shape}
		}
		if e.Pattern = strings.TrimSpace(t.text[:cut]); subject != "type" {
			if err := expression(e.Pattern); err != nil {
				return err
			}
		}
		v.Server.Expires = append(v.Server.Expires, e)
		return nil
	}
}

// expression refuses what Go's regexp cannot do: uWSGI's are Perl's.
func expression(pattern string) error {
	if _, err := regexp.Compile(pattern); err != nil {
		var e interface{ Unwrap() error }
		if errors.As(err, &e) {
			err = e.Unwrap()
		}
		return hinted{fmt.Sprintf("%q is no regular expression: %v", pattern, err), "syntax of re2, without look-around"}
	}
	return nil
}

func setGzipPattern(v *Vassal, t value) error {
	v.Server.Gzip.Patterns = append(v.Server.Gzip.Patterns, t.text)
	return expression(t.text)
}

func setAddHeader(v *Vassal, t value) error {
	name, _, ok := strings.Cut(t.text, ":")
	if !ok || strings.TrimSpace(name) == "" || strings.ContainsAny(t.text, "\r\n") {
		return hinted{strconv.Quote(t.text) + " is not a header", "Name: value"}
	}
	v.Server.AddHeaders = append(v.Server.AddHeaders, t.text)
	return nil
}

func setCGI(v *Vassal, t value) error {
	mount, path, ok := strings.Cut(t.text, "=")
	if !ok {
		mount, path = "/", t.text
	}
	if !strings.HasPrefix(mount, "/") || path == "" {
		return hinted{strconv.Quote(t.text) + " is not a mapping", "such as /cgi-bin=/usr/lib/cgi-bin"}
	}
	v.Server.CGI = append(v.Server.CGI, serving.Map{Mount: mount, Dir: path})
	return nil
}

func setCGIHelper(v *Vassal, t value) error {
	ext, program, ok := strings.Cut(t.text, "=")
	if !ok || ext == "" || program == "" {
		return hinted{strconv.Quote(t.text) + " is not a helper", "such as .py=python3"}
	}
	v.Server.CGIHelpers = append(v.Server.CGIHelpers, serving.CGIHelper{Ext: ext, Program: program})
	return nil
}

func setHTTPTo(v *Vassal, t value) error {
	if t.text == "" || strings.ContainsAny(t.text, " \t?#") {
		return hinted{strconv.Quote(t.text) + " is not an address", "such as 127.0.0.1:8080, or the path of a socket"}
	}
	v.Server.HTTPTo = append(v.Server.HTTPTo, t.text)
	return nil
}

func setProtocol(v *Vassal, t value) error {
	switch t.text {
	case "uwsgi", "http", "fastcgi":
		v.Server.SocketProtocol = t.text
		return nil
	}
	return hinted{strconv.Quote(t.text) + " is not a protocol of the built-in server", "uwsgi, http or fastcgi"}
}

// setLogDate ignores a plain yes, which asks uWSGI for dates before its lines.
func setLogDate(v *Vassal, t value) error {
	if strings.Contains(t.text, "%") {
		v.Server.Log.Date = t.text
	}
	return nil
}

func setLogSlow(v *Vassal, t value) error {
	ms, err := strconv.ParseUint(t.text, 10, 31)
	if err != nil {
		return hinted{strconv.Quote(t.text) + " is not a time", "milliseconds"}
	}
	v.Server.Log.Slow = time.Duration(ms) * time.Millisecond
	return nil
}

func setLogBig(v *Vassal, t value) (err error) {
	v.Server.Log.Big, err = parseSize(t.text)
	return err
}

func setBufferSize(v *Vassal, t value) error {
	n, err := parseSize(t.text)
	if err == nil && (n < 1<<10 || n > 16<<20) {
		err = hinted{strconv.Quote(t.text) + " is out of range", "1024 to 16777216"}
	}
	v.Server.BufferSize = int(n)
	return err
}

// parseSize reads a number of bytes, which may end in k, m or g.
func parseSize(s string) (int64, error) {
	number, factor := strings.ToLower(s), int64(1)
	for i, unit := range []string{"k", "m", "g"} {
		if cut, ok := strings.CutSuffix(number, unit); ok {
			number, factor = cut, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(number, 10, 63)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, hinted{strconv.Quote(s) + " is not a size", "bytes, or such as 10m"}
	}
	return n * factor, nil
}
