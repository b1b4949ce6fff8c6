// Package logger answers one question: where does one of uWSGI's loggers write?
package logger

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/address"
)

// Logger is a destination of lines, as logger and req-logger name it.
type Logger struct {
	// Path is of a file. Empty: the destination is a socket, or standard error.
	Path string
	// MaxSize is the size in bytes at which the file is renamed, to Backup or, without that, to
	// Path and the time. Zero: never.
	MaxSize int64
	Backup  string

	// Network and Address are of a datagram socket: unixgram and a path, or udp and a host with
	// its port.
	Network, Address string
	// Syslog is the form of the datagrams: as messages of syslog, not as plain lines.
	Syslog   bool
	Facility int    // of syslog(3)
	Ident    string // name of the program in such messages. Empty: not given
}

// ErrUnknown is a logger that only uWSGI has.
var ErrUnknown = errors.New("not a logger here (file:PATH, syslog:NAME, rsyslog:HOST:PORT, socket:ADDRESS or stdio)")

// syslogSocket is the socket of the host's syslogd, which the journal also offers.
const syslogSocket = "/dev/log"

// facilities are the names of syslog(3), each at its number.
var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "", "", "", "",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// defaultFacility is uWSGI's: daemon.
const defaultFacility = 3

// Parse parses [NAME ]KIND[:ARGUMENT]. The name is for uWSGI's routes of lines and has no effect.
// The zero Logger is stdio.
func Parse(text string) (Logger, error) {
	if name, rest, named := strings.Cut(text, " "); named && !strings.ContainsAny(name, ":/") {
		text = strings.TrimSpace(rest)
	}
	kind, arg, _ := strings.Cut(text, ":")
	switch kind {
	case "stdio":
		return Logger{}, nil
	case "file":
		return parseFile(arg)
	case "syslog":
		return parseSyslog(arg)
	case "rsyslog":
		to, ident, _ := strings.Cut(arg, ",")
		return Logger{Network: "udp", Address: to, Syslog: true, Facility: defaultFacility, Ident: ident}, port(to)
	case "socket":
		if strings.HasPrefix(arg, "/") {
			return Logger{Network: "unixgram", Address: arg}, nil
		}
		return Logger{Network: "udp", Address: arg}, port(arg)
	}
	return Logger{}, ErrUnknown
}

// port reports an address without a host or a port.
func port(text string) error {
	if to, err := address.Parse(text); err != nil || to.Host == "" {
		return fmt.Errorf("%q is no address of a logger (HOST:PORT)", text)
	}
	return nil
}

// parseFile parses PATH, or pairs of which one is logfile=PATH.
func parseFile(arg string) (l Logger, err error) {
	if !strings.HasPrefix(arg, "logfile=") && !strings.Contains(arg, ",logfile=") {
		l.Path = arg
	} else {
		for pair := range strings.SplitSeq(arg, ",") {
			switch name, value, _ := strings.Cut(pair, "="); name {
			case "logfile":
				l.Path = value
			case "backupname":
				l.Backup = value
			case "maxsize":
				if l.MaxSize, err = strconv.ParseInt(value, 10, 64); err != nil || l.MaxSize < 0 {
					return Logger{}, fmt.Errorf("maxsize=%s of a logger is not a number of bytes", value)
				}
			default:
				return Logger{}, fmt.Errorf("a logger has no %q (logfile=PATH, maxsize=BYTES, backupname=PATH)", name)
			}
		}
	}
	if l.Path == "" {
		return Logger{}, errors.New("a logger without a file (file:PATH)")
	}
	return l, nil
}

// parseSyslog parses IDENT[,FACILITY].
func parseSyslog(arg string) (Logger, error) {
	l := Logger{Network: "unixgram", Address: syslogSocket, Syslog: true, Facility: defaultFacility}
	ident, facility, given := strings.Cut(arg, ",")
	if l.Ident = ident; given {
		n := slices.Index(facilities, facility)
		if n < 0 || facility == "" {
			return Logger{}, fmt.Errorf("%q is no facility of syslog (such as daemon or local0)", facility)
		}
		l.Facility = n
	}
	return l, nil
}
