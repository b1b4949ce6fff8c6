package serving

import "github.com/emperor-go/emperor/pkg/config/option"

// Rows are the options of the built-in server.
var Rows = option.Rows[Options]{
	{Name: "add-header", Group: "Serving", Arg: "NAME: VALUE", Repeat: true, Help: "add a header to every response", Set: setAddHeader},
	{Name: "buffer-size", Group: "Serving", Arg: "BYTES", Def: "65536", Help: "limit of a request's headers", Set: setBufferSize},
	{Name: "cgi", Group: "Serving", Arg: "[/MOUNT=]PATH", Repeat: true, Help: "run programs of a directory, or one program, by CGI", Set: setCGI},
	{
		Name: "cgi-allowed-ext", Group: "Serving", Arg: "SUFFIX", Repeat: true, Help: "run only programs with this extension",
		Into: func(o *Options) option.Field { return (*option.List)(&o.CGIExt) },
	},
	{Name: "cgi-helper", Group: "Serving", Arg: ".EXT=PROGRAM", Repeat: true, Help: "run files with an extension by a program", Set: setCGIHelper},
	{
		Name: "cgi-index", Group: "Serving", Arg: "NAME", Repeat: true, Help: "program to run for a directory",
		Into: func(o *Options) option.Field { return (*option.List)(&o.CGIIndex) },
	},
	{
		Name: "enable-proxy-protocol", Aliases: []string{"http-enable-proxy-protocol"}, Group: "Serving",
		Help: "HTTP from a trusted proxy begins with a header of the PROXY protocol, version 1 or 2",
		Into: func(o *Options) option.Field { return (*option.Flag)(&o.ProxyProtocol) },
	},
	{
		Name: "error-page-403", Group: "Serving", Arg: "FILE", Repeat: true,
		Help: "HTML to answer with when a file is refused; the first one that exists", Set: func(o *Options, v option.Value) error { return o.addPage(403, v) },
	},
	{
		Name: "error-page-404", Group: "Serving", Arg: "FILE", Repeat: true,
		Help: "HTML to answer with when no source answers; the first one that exists", Set: func(o *Options, v option.Value) error { return o.addPage(404, v) },
	},
	{
		Name: "error-page-500", Group: "Serving", Arg: "FILE", Repeat: true,
		Help: "HTML to answer with on a failure of the server; the first one that exists", Set: func(o *Options, v option.Value) error { return o.addPage(500, v) },
	},
	{
		Name: "heartbeat", Group: "Serving", Arg: "TIME", Help: "interval of heartbeats of the built-in server",
		Into: func(o *Options) option.Field { return (*option.Duration)(&o.Heartbeat) },
	},
	{
		Name: "http-keepalive", Group: "Serving", Arg: "[TIME]", Def: "60", Help: "how long an idle connection of a client stays open",
		Set: setKeepAlive,
	},
	{Name: "http-to", Group: "Serving", Arg: "ADDRESS", Repeat: true, Help: "pass requests that no file answers on to an HTTP server", Set: setHTTPTo},
	{
		Name: "http-to-wait", Group: "Serving", Arg: "TIME", Def: "0", Help: "how long a request waits for a server of http-to that does not listen",
		Into: func(o *Options) option.Field { return (*option.Duration)(&o.HTTPToWait) },
	},
	{
		Name: "limit-post", Group: "Serving", Arg: "BYTES", Help: "limit of a request's body; 0: none",
		Into: func(o *Options) option.Field { return (*option.Size)(&o.LimitPost) },
	},
	{
		Name: "need-app", Group: "Serving", Help: "exit with 1 when there is nothing to serve",
		Into: func(o *Options) option.Field { return (*option.Flag)(&o.NeedApp) },
	},
	{
		Name: "proxy-protocol-from", Group: "Serving", Arg: "PREFIX", Repeat: true,
		Help: "addresses of trusted proxies, beside loopback and unix sockets", Set: addProxies,
	},
	{
		Name: "request-timeout", Aliases: []string{"harakiri"}, Group: "Serving", Arg: "TIME", Help: "time limit of a request; 0: none",
		Into: func(o *Options) option.Field { return (*option.Duration)(&o.RequestTimeout) },
	},
	{
		Name: "socket-protocol", Aliases: []string{"protocol"}, Group: "Serving", Arg: "PROTOCOL", Def: "uwsgi",
		Help: "protocol of the built-in server on `socket`: uwsgi, http or fastcgi", Set: setProtocol,
	},
	{
		Name: "socket-timeout", Group: "Serving", Arg: "TIME", Def: "30", Help: "how long a client may take for its next bytes",
		Into: func(o *Options) option.Field { return (*option.Positive)(&o.SocketTimeout) },
	},
	{
		Name: "stats-http", Group: "Serving", Help: "answer as HTTP on the stats socket",
		Into: func(o *Options) option.Field { return (*option.Flag)(&o.StatsHTTP) },
	},
	{
		Name: "stats-minified", Aliases: []string{"stats-min"}, Group: "Serving", Help: "no white space in the statistics",
		Into: func(o *Options) option.Field { return (*option.Flag)(&o.StatsMinified) },
	},

	{
		Name: "check-static", Aliases: []string{"static-check"}, Group: "Static files", Arg: "DIR", Repeat: true, Help: "look up every path in a directory first",
		Into: func(o *Options) option.Field { return (*option.List)(&o.CheckStatic) },
	},
	{
		Name: "mimefile", Aliases: []string{"mime-file"}, Group: "Static files", Arg: "FILE", Repeat: true, Help: "additional database of file types",
		Into: func(o *Options) option.Field { return (*option.List)(&o.MimeFiles) },
	},
	{
		Name: "static-expires", Group: "Static files", Arg: "REGEX SECONDS", Repeat: true, Help: "set Expires by regex on the file's path",
		Set: func(o *Options, v option.Value) error {
			return o.addExpires(Expires{Subject: "file", FromMtime: false}, v)
		},
	},
	{
		Name: "static-expires-mtime", Group: "Static files", Arg: "REGEX SECONDS", Repeat: true, Help: "set Expires by regex on the file's path, from its mtime",
		Set: func(o *Options, v option.Value) error {
			return o.addExpires(Expires{Subject: "file", FromMtime: true}, v)
		},
	},
	{
		Name: "static-expires-path-info", Group: "Static files", Arg: "REGEX SECONDS", Repeat: true, Help: "set Expires by regex on the request's path",
		Set: func(o *Options, v option.Value) error {
			return o.addExpires(Expires{Subject: "path-info", FromMtime: false}, v)
		},
	},
	{
		Name: "static-expires-path-info-mtime", Group: "Static files", Arg: "REGEX SECONDS", Repeat: true,
		Help: "set Expires by regex on the request's path, from its mtime",
		Set: func(o *Options, v option.Value) error {
			return o.addExpires(Expires{Subject: "path-info", FromMtime: true}, v)
		},
	},
	{
		Name: "static-expires-type", Group: "Static files", Arg: "TYPE=SECONDS", Repeat: true, Help: "set Expires by the file's type",
		Set: func(o *Options, v option.Value) error {
			return o.addExpires(Expires{Subject: "type", FromMtime: false}, v)
		},
	},
	{
		Name: "static-expires-type-mtime", Group: "Static files", Arg: "TYPE=SECONDS", Repeat: true, Help: "set Expires by the file's type, from its mtime",
		Set: func(o *Options, v option.Value) error {
			return o.addExpires(Expires{Subject: "type", FromMtime: true}, v)
		},
	},
	{
		Name: "static-expires-uri", Group: "Static files", Arg: "REGEX SECONDS", Repeat: true, Help: "set Expires by regex on the request's uri",
		Set: func(o *Options, v option.Value) error {
			return o.addExpires(Expires{Subject: "uri", FromMtime: false}, v)
		},
	},
	{
		Name: "static-expires-uri-mtime", Group: "Static files", Arg: "REGEX SECONDS", Repeat: true,
		Help: "set Expires by regex on the request's uri, from its mtime",
		Set: func(o *Options, v option.Value) error {
			return o.addExpires(Expires{Subject: "uri", FromMtime: true}, v)
		},
	},
	{Name: "static-gzip", Group: "Static files", Arg: "REGEX", Repeat: true, Help: "serve FILE.gz for files whose path matches", Set: setGzipPattern},
	{
		Name: "static-gzip-all", Group: "Static files", Help: "serve FILE.gz if it exists",
		Into: func(o *Options) option.Field { return (*option.Flag)(&o.Gzip.All) },
	},
	{
		Name: "static-gzip-dir", Aliases: []string{"static-gzip-prefix"}, Group: "Static files", Arg: "DIR", Repeat: true,
		Help: "serve FILE.gz for files below a directory",
		Into: func(o *Options) option.Field { return (*option.List)(&o.Gzip.Dirs) },
	},
	{
		Name: "static-gzip-ext", Aliases: []string{"static-gzip-suffix"}, Group: "Static files", Arg: "SUFFIX", Repeat: true,
		Help: "serve FILE.gz for files with an extension",
		Into: func(o *Options) option.Field { return (*option.List)(&o.Gzip.Suffixes) },
	},
	{
		Name: "static-index", Group: "Static files", Arg: "NAME", Def: "index.html", Repeat: true, Help: "file to serve for a directory",
		Into: func(o *Options) option.Field { return (*option.List)(&o.StaticIndex) },
	},
	{Name: "static-map", Group: "Static files", Arg: "/MOUNT=PATH", Repeat: true, Help: "serve a directory or a file by the built-in server", Set: setStaticMap},
	{
		Name: "static-map2", Group: "Static files", Arg: "/MOUNT=DIR", Repeat: true,
		Help: "as static-map, but the mount is part of the path in the directory", Set: setStaticMap2,
	},
	{
		Name: "static-safe", Group: "Static files", Arg: "DIR", Repeat: true, Help: "symbolic links may lead into this directory",
		Into: func(o *Options) option.Field { return (*option.List)(&o.StaticSafe) },
	},
	{
		Name: "static-skip-ext", Group: "Static files", Arg: "SUFFIX", Repeat: true, Help: "never serve files with this extension",
		Into: func(o *Options) option.Field { return (*option.List)(&o.StaticSkipExt) },
	},

	{
		Name: "route", Group: "Routing", Arg: "REGEX ACTION:ARG", Repeat: true, Help: "rule for paths",
		Set: func(o *Options, v option.Value) error { return o.addRoute("path-info", v) },
	},
	{
		Name: "route-host", Group: "Routing", Arg: "REGEX ACTION:ARG", Repeat: true, Help: "rule for requests by their host",
		Set: func(o *Options, v option.Value) error { return o.addRoute("host", v) },
	},
	{
		Name: "route-if", Group: "Routing", Arg: "TEST:ARG ACTION:ARG", Repeat: true, Help: "rule for requests that pass a test",
		Set: func(o *Options, v option.Value) error { return o.addRoute("if", v) },
	},
	{
		Name: "route-if-not", Group: "Routing", Arg: "TEST:ARG ACTION:ARG", Repeat: true, Help: "rule for requests that fail a test",
		Set: func(o *Options, v option.Value) error { return o.addRoute("if-not", v) },
	},
	{
		Name: "route-label", Group: "Routing", Arg: "NAME", Repeat: true, Help: "target of goto",
		Set: func(o *Options, v option.Value) error { return o.addRoute("label", v) },
	},
	{
		Name: "route-qs", Group: "Routing", Arg: "REGEX ACTION:ARG", Repeat: true, Help: "rule for requests by their qs",
		Set: func(o *Options, v option.Value) error { return o.addRoute("qs", v) },
	},
	{
		Name: "route-referer", Group: "Routing", Arg: "REGEX ACTION:ARG", Repeat: true, Help: "rule for requests by their referer",
		Set: func(o *Options, v option.Value) error { return o.addRoute("referer", v) },
	},
	{
		Name: "route-remote-addr", Group: "Routing", Arg: "REGEX ACTION:ARG", Repeat: true, Help: "rule for requests by their remote addr",
		Set: func(o *Options, v option.Value) error { return o.addRoute("remote-addr", v) },
	},
	{
		Name: "route-remote-user", Group: "Routing", Arg: "REGEX ACTION:ARG", Repeat: true, Help: "rule for requests by their remote user",
		Set: func(o *Options, v option.Value) error { return o.addRoute("remote-user", v) },
	},
	{
		Name: "route-run", Group: "Routing", Arg: "ACTION:ARG", Repeat: true, Help: "rule for every request",
		Set: func(o *Options, v option.Value) error { return o.addRoute("run", v) },
	},
	{
		Name: "route-uri", Group: "Routing", Arg: "REGEX ACTION:ARG", Repeat: true, Help: "rule for requests by their uri",
		Set: func(o *Options, v option.Value) error { return o.addRoute("uri", v) },
	},
	{
		Name: "route-user-agent", Group: "Routing", Arg: "REGEX ACTION:ARG", Repeat: true, Help: "rule for requests by their user agent",
		Set: func(o *Options, v option.Value) error { return o.addRoute("user-agent", v) },
	},

	{Name: "disable-logging", Group: "Logging", Help: "do not log requests", Into: func(o *Options) option.Field { return (*option.Flag)(&o.Log.Disabled) }},
	{
		Name: "log-4xx", Group: "Logging", Help: "log answers of 400 to 499 in any case",
		Into: func(o *Options) option.Field { return (*option.Flag)(&o.Log.Log4xx) },
	},
	{
		Name: "log-5xx", Group: "Logging", Help: "log answers of 500 and above in any case",
		Into: func(o *Options) option.Field { return (*option.Flag)(&o.Log.Log5xx) },
	},
	{
		Name: "log-big", Group: "Logging", Arg: "BYTES", Help: "log answers of this size in any case",
		Into: func(o *Options) option.Field { return (*option.Size)(&o.Log.Big) },
	},
	{Name: "log-date", Aliases: []string{"logdate"}, Group: "Logging", Arg: "[FORMAT]", Help: "strftime format of %(ftime) in log-format", Set: setLogDate},
	{
		Name: "log-format", Aliases: []string{"logformat"}, Group: "Logging", Arg: "FORMAT",
		Help: "line to log for a request: combined, common, json, or a text with %(variables)",
		Set:  setRequestFormat,
	},
	{
		Name: "log-format-strftime", Aliases: []string{"logformat-strftime"}, Group: "Logging", Help: "apply strftime to log-format",
		Into: func(o *Options) option.Field { return (*option.Flag)(&o.Log.Strftime) },
	},
	{
		Name: "log-micros", Group: "Logging", Help: "report microseconds, not milliseconds",
		Into: func(o *Options) option.Field { return (*option.Flag)(&o.Log.Micros) },
	},
	{Name: "log-slow", Group: "Logging", Arg: "MILLISECONDS", Help: "log requests that take so long in any case", Set: setLogSlow},
	{
		Name: "log-x-forwarded-for", Group: "Logging", Help: "take the client's address from X-Forwarded-For",
		Into: func(o *Options) option.Field { return (*option.Flag)(&o.Log.ForwardedFor) },
	},
	{
		Name: "log-zero", Group: "Logging", Help: "log answers without a body in any case",
		Into: func(o *Options) option.Field { return (*option.Flag)(&o.Log.Zero) },
	},
	{
		Name: "req-logger", Aliases: []string{"logger-req"}, Group: "Logging", Arg: "LOGGER",
		Help:     "destination of the log of requests, instead of standard error: file:PATH, syslog:NAME, rsyslog:HOST:PORT, socket:ADDRESS",
		Misreads: func(string, string) bool { return true }, Set: setRequestLogger,
	},
}

// further are rows that no program's table contains: rows of TLS sockets, which the vassal's
// table declares itself, and one that only the vassal sets.
var further = option.Rows[Options]{
	{
		Name: "behind", Group: "Sockets", Arg: "PROTOCOL ADDRESS", Repeat: true,
		Help: "target of requests of the next socket that no other source answers", Set: addBehind,
	},
	{Name: "https", Group: "Sockets", Arg: "ADDRESS,CERT,KEY[,,CLIENT-CA]", Repeat: true, Help: "listen for HTTP/1.1 and HTTP/2 over TLS", Set: addCertificate},
	{
		Name: "https-socket", Group: "Sockets", Arg: "ADDRESS,CERT,KEY[,,CLIENT-CA]", Repeat: true,
		Help: "listen for HTTP/1.1 and HTTP/2 over TLS", Set: addCertificate,
	},
}
