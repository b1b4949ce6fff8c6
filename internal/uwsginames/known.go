// Package uwsginames knows the options of uWSGI that are not options here: their names, their
// replacements, and those that a vassal must not run without. It imports no table.
package uwsginames

import (
	"cmp"
	_ "embed" // for the names
	"strings"
)

// The options of uWSGI 2.0 and of its plugins, one a line, sorted by name, with = after
// options that need a value and ? after options that may have one. The first list is the
// output of `uwsgi --help`. They are searched in place, so that they cost nothing until they
// are used.
var (
	//go:embed uwsgi_options.txt
	options string
	//go:embed uwsgi_plugin_options.txt
	pluginOptions string
)

// letters are uWSGI's options of one letter.
const letters = "A=sharedarea C=chmod-socket H=home L=disable-logging M=master Q=spooler R=max-requests S=set T=enable-threads " +
	"a=abstract-socket b=buffer-size c=cgi-mode d=daemonize h=help i=single-interpreter j=json l=listen m=memory-report " +
	"p=processes r=reaper s=socket t=harakiri v=max-vars w=module x=xml y=yaml z=socket-timeout"

// Shape tells whether an option has a value.
type Shape byte

// The shapes of options.
const (
	// Flag has yes or no as its value, or none.
	Flag Shape = '\n'
	// NeedsValue may not stand alone, and OptionalValue may.
	NeedsValue    Shape = '='
	OptionalValue Shape = '?'
)

// Lookup reports whether uWSGI 2.0 or one of its plugins has the option, and its shape.
func Lookup(name string) (s Shape, known bool) {
	for _, list := range []string{options, pluginOptions} {
		if s, known := Search(list, name); known {
			return s, true
		}
	}
	return 0, false
}

// Search finds a name in a list, whose lines are sorted, by binary search in its text.
func Search(list, name string) (s Shape, known bool) {
	for list != "" {
		middle := strings.LastIndexByte(list[:len(list)/2], '\n') + 1 // the beginning of a line
		end := middle + strings.IndexByte(list[middle:], '\n') + 1
		at, s := split(list[middle:end])
		switch order := strings.Compare(name, at); {
		case order == 0:
			return s, true
		case order < 0:
			list = list[:middle]
		default:
			list = list[end:]
		}
	}
	return 0, false
}

// split divides a line of a list.
func split(line string) (name string, s Shape) {
	line = line[:len(line)-1]
	if s = Shape(line[len(line)-1]); s == NeedsValue || s == OptionalValue {
		return line[:len(line)-1], s
	}
	return line, Flag
}

// All yields all names of uWSGI and its plugins.
func All(yield func(string) bool) {
	for _, list := range []string{options, pluginOptions} {
		for line := range strings.Lines(list) {
			if name, _ := split(line); !yield(name) {
				return
			}
		}
	}
}

// Letter returns the option for a letter, or "".
func Letter(letter string) string {
	for pair := range strings.FieldsSeq(letters) {
		if name, ok := strings.CutPrefix(pair, letter+"="); ok {
			return name
		}
	}
	return ""
}

// application is the replacement for uWSGI's own ways to run an application.
const application = "command = PROGRAM ARGS… for a server of your own, or emperor-wrapper = uwsgi for uWSGI's"

// Remedy returns the replacement for an option of uWSGI that has no effect here, or "".
func Remedy(name string) string {
	switch name {
	case "module", "wsgi-file", "wsgi", "callable", "file", "paste", "ini-paste", "ini-paste-logged", "eval", "mount", "psgi", "rack", "rails",
		"lua", "lua-load", "jwsgi", "ring-load", "ring-app", "go-load", "mono-app", "web3", "wsgi-lite", "pecan", "pump", "test",
		"php-app", "php-docroot", "php-index", "php-allowed-docroot":
		return application
	case "home", "virtualenv", "venv", "pyhome":
		return "name the programs of the virtualenv in command, such as command = /srv/venv/bin/gunicorn app"
	case "pythonpath", "python-path", "pp":
		return "env = PYTHONPATH=DIR"
	case "early-envdir":
		return "envdir = DIR"
	case "perl-local-lib":
		return "env = PERL5LIB=DIR"
	case "http11-socket":
		return "http-socket = ADDRESS"
	case "https2":
		return "https = ADDRESS,CERTIFICATE,KEY"
	case "master", "no-orphans", "die-on-term2", "enable-threads", "close-on-exec", "close-on-exec2", "thunder-lock":
		return "it is always so, drop the line"
	case "autoload":
		return "there are no plugins, drop the line"
	case "cron", "cron2", "unique-cron", "legion-cron", "timer":
		return "a timer of the host's service manager"
	}
	_, ofFamily := Family(name)
	return cmp.Or(remedyOfServer(name), ofFamily)
}

// remedyOfServer returns the replacement for options by which uWSGI serves, starts workers
// and logs, or "".
func remedyOfServer(name string) string {
	switch name {
	case "threads", "async", "ugreen":
		return "processes = N for more workers; threads are the command's own, and the built-in server has as many as it needs"
	case "max-requests", "max-requests-delta", "reload-on-as", "evil-reload-on-as", "evil-reload-on-rss":
		return "max-worker-lifetime = TIME or reload-on-rss = MB replace workers"
	case "cheaper", "cheaper-initial", "cheaper-step", "cheaper-algo", "cheaper-overload", "cheaper-rss-limit-soft", "cheaper-rss-limit-hard":
		return "idle = TIME ends idle workers, cheap = true starts them with the first connection"
	case "offload-threads", "offload-thread", "ignore-sigpipe", "ignore-write-errors", "disable-write-exception", "write-errors-tolerance", "optimize",
		"http-websockets", "http-raw-body", "http-chunked-input", "http-auto-chunked", "http-resubscribe", "http-manage-expect", "reload-os-env", "cgi-safe", "cgi-close-stdin-on-eof":
		return "it needs no option here, drop the line"
	case "lazy", "lazy-apps", "single-interpreter", "vhost", "vhost-host", "no-default-app", "wsgi-disable-file-wrapper", "catch-exceptions", "cgi-mode":
		return "the command decides this itself, drop the line"
	case "http-timeout", "http-headers-timeout", "http-connect-timeout", "http-manage-rtsp", "http-manage-source", "http-processes", "http-workers",
		"http-events", "http-gracetime", "http-modifier1", "http-modifier2", "http-socket-modifier1", "http-socket-modifier2", "http-buffer-size":
		return "http = ADDRESS with http-keepalive, http-to, socket-timeout and request-timeout"
	case "https-export-cert", "https-session-context", "https-socket-modifier1", "https-socket-modifier2":
		return "https = ADDRESS,CERTIFICATE,KEY[,,CLIENT-CA]"
	case "log-route", "threaded-logger", "log-encoder", "log-master", "log-drain":
		return "log = FILE or log = journal; otherwise the emperor's log has everything"
	case "log-req-route", "log-req-encoder":
		return "log = FILE contains requests as well, log-format sets their format, and disable-logging leaves them out"
	case "logfile-chown", "logfile-chmod", "chmod", "chown":
		return "the file of log belongs to the vassal's user and group: create it beforehand, or hook-as-root = chmod:FILE 640"
	case "memory-report":
		return "emperor list and emperor top show memory, metrics = ADDRESS exports it"
	case "harakiri-verbose":
		return "the log has the method and the path of each request that took too long"
	case "master-fifo":
		return "emperor reload NAME, emperor stop NAME and other commands; touch-reload = FILE"
	case "post-buffering", "post-buffering-bufsize", "body-read-warning":
		return "bodies are passed on as they arrive, drop the line; limit-post = BYTES limits them"
	case "manage-script-name":
		return "the command sees the path as the client sent it; rewrite:PATH in a route changes it"
	case "cpu-affinity":
		return "command = taskset -c CPUS PROGRAM ARGS…"
	case "zerg", "zerg-server", "zerg-pool", "zergpool":
		return "reuse-port = true, or a reload, which starts new workers beside the old ones"
	case "vassal-sos-backlog", "vassal-sos":
		return "processes = N; emperor top shows busy vassals"
	case "unsubscribe-on-graceful-reload", "remap-modifier":
		return "a frontend that knows the socket's address, drop the line"
	}
	return ""
}

// RemedyInVassal returns the replacement, in a vassal's file, for an option of the emperor's
// own process, or "".
func RemedyInVassal(name string) string {
	switch name {
	case "daemonize", "daemonize2", "logto", "logto2":
		return "log = FILE"
	case "log-backupname", "log-maxsize", "log-reopen", "log-truncate", "touch-logreopen", "touch-logrotate":
		return "logrotate: a file that log names is opened again when it is renamed"
	case "flock", "flock2", "flock-wait", "flock-wait2":
		return "one vassal has one process: drop the line"
	case "max-fd":
		return "max-fd in the emperor's file, for all vassals"
	}
	return "this belongs in the emperor's file"
}

// RemedyInEmperor returns the advice for an option of a vassal in the emperor's own file.
func RemedyInEmperor(name string) string {
	switch name {
	case "die-on-term", "vacuum":
		return "it is always so for the emperor, drop the line"
	}
	return "this belongs in a vassal's file, or in the file of vassals-include for all of them"
}

// families are options with a common prefix, and their replacements.
var families = []struct{ prefix, hint string }{
	{"cache", "a cache in front of the vassals, or the command's own"},
	{"cheaper-busyness", "idle = TIME and cheap = true"},
	{"error-route", "route, which runs before the answer; error-page-404 = FILE and similar options for pages"},
	{"farm", "a vassal of its own for the job"},
	{"fastrouter", "socket = ADDRESS: frontends reach it by the uwsgi protocol; for several vassals a web server in front of them"},
	{"final-route", "route, which runs before the answer"},
	{"gevent", application},
	{"mule", "a vassal of its own for the job"},
	{"perl-", application},
	{"php-", application},
	{"py-", application},
	{"python-", application},
	{"rawrouter", "a proxy in front of the vassals"},
	{"response-route", "route with addheader or delheader, which change the answer's headers"},
	{"spooler", "a vassal of its own for the queue"},
	{"sslrouter", "a proxy in front of the vassals"},
	{"subscri", "a frontend that knows the socket's address"},
	{"tuntap-", "a veth pair, made by hooks as-emperor"},
}

// Family returns the prefix that an option shares with others of the same purpose, and their
// replacement. Both are empty when there is none.
func Family(name string) (prefix, remedy string) {
	for _, f := range families {
		if strings.HasPrefix(name, f.prefix) {
			return f.prefix, f.hint
		}
	}
	return "", ""
}
