package config

import (
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// daemonFreq is the default time, in seconds, that a program has to write its pid file.
const daemonFreq = 10

func attachDaemon(v *Vassal, t option.Value) error { return v.attach(Daemon{}, t.Text, t.Origin) }

func attachControlDaemon(v *Vassal, t option.Value) error {
	return v.attach(Daemon{Control: true}, t.Text, t.Origin)
}

// attach adds a daemon that an option at origin declares.
func (v *Vassal) attach(d Daemon, command string, origin Origin) (err error) {
	d.Text = command
	if d.Command, err = option.SplitWords(command); err == nil {
		d.Shell = strings.ContainsAny(command, shellOnly) || strings.Contains(d.Command[0], "=")
	}
	v.Daemons, v.daemonsAt = append(v.Daemons, d), append(v.daemonsAt, origin)
	return err
}

// DaemonOption returns the option that declares a daemon, and its position. i is the index in
// Daemons.
func (v *Vassal) DaemonOption(i int) (key string, at Origin) {
	at = v.daemonsAt[i]
	for _, e := range v.entries {
		if o := vassalOptions.find(e.Key); o != nil && e.Origin == at && strings.Contains(o.Name, "attach-") {
			return o.Name, at
		}
	}
	return "attach-daemon", at
}

// shellOnly are the characters that have a meaning for a shell. uWSGI runs all commands of
// daemons in a shell; a command without these characters runs directly, which has the same effect
// and also works without a shell.
const shellOnly = "|&;<>()$`*?[]#~!{}\n"

func attachSmart(v *Vassal, t option.Value) error { return v.attachSmart(t, false) }

func attachSmart2(v *Vassal, t option.Value) error { return v.attachSmart(t, true) }

// misreadDaemon reports whether a line would misinterpret the name of a file.
func misreadDaemon(line, name string) bool {
	return strings.ContainsAny(line, shellOnly) || hooks.MisreadWords(line, name)
}

func misreadKeyed(text, name string) bool {
	return strings.Contains(name, ",") || misreadDaemon(text, name)
}

// attachSmart parses `PIDFILE[,FREQ] COMMAND`.
func (v *Vassal) attachSmart(t option.Value, daemonize bool) error {
	pidfile, command, ok := strings.Cut(t.Text, " ")
	pidfile, freq, timed := strings.Cut(pidfile, ",")
	d := Daemon{Pidfile: pidfile, Daemonize: daemonize, Freq: daemonFreq}
	if timed {
		n, err := strconv.Atoi(freq)
		if err != nil || n < 1 {
			return option.Wrong(strconv.Quote(freq)+" is not a number of seconds", "PIDFILE,10 COMMAND")
		}
		d.Freq = n
	}
	if !ok || pidfile == "" {
		return option.Wrong("no program given", "PIDFILE COMMAND")
	}
	return v.attach(d, command, t.Origin)
}

// attachKeyed parses `key=value,…`. A comma in a value is escaped as \,.
func attachKeyed(v *Vassal, t option.Value) error {
	d, command := Daemon{Freq: daemonFreq}, ""
	for _, pair := range splitPairs(t.Text) {
		key, text, _ := strings.Cut(pair, "=")
		key, text = strings.TrimSpace(key), strings.TrimSpace(text)
		var err error
		switch key {
		case "cmd", "command", "exec":
			command = text
		case "pidfile":
			d.Pidfile = text
		case "freq":
			if d.Freq, err = strconv.Atoi(text); err != nil || d.Freq < 1 {
				err = option.Wrong(strconv.Quote(text)+" is not a number of seconds", "")
			}
		case "control":
			d.Control = text == "" || option.ParseBool(text)
		case "daemonize", "daemon":
			d.Daemonize = text == "" || option.ParseBool(text)
		case "touch":
			d.Touch = strings.Split(text, ";")
		case "stopsignal", "stop_signal":
			d.StopSignal, err = parseSignal(text)
		case "reloadsignal", "reload_signal":
			d.ReloadSignal, err = parseSignal(text)
		case "chdir":
			d.Dir = text
		case "ns_pid":
			d.NewPID = text == "" || option.ParseBool(text)
		case "stdin":
			d.Stdin = text == "" || option.ParseBool(text)
		case "max_throttle":
			var n int
			if n, err = strconv.Atoi(text); err != nil || n < 1 {
				err = option.Wrong(strconv.Quote(text)+" is not a number of seconds", "")
			}
			d.MaxPause = time.Duration(n) * time.Second
		case "uid":
			d.UID, err = parseIdentity(text)
		case "gid":
			d.GID, err = parseIdentity(text)
		default:
			err = option.Unknown("key", key, daemonKeys...)
		}
		if err != nil {
			return err
		}
	}
	if d.Daemonize && d.Pidfile == "" {
		return option.Wrong("a program in the background needs a pid file", "pidfile=FILE")
	}
	return v.attach(d, command, t.Origin)
}

// daemonKeys are the keys of attach-daemon2.
var daemonKeys = []string{
	"cmd", "pidfile", "freq", "control", "daemonize", "touch", "stopsignal", "reloadsignal", "chdir", "ns_pid",
	"stdin", "max_throttle", "uid", "gid",
}

// splitPairs splits at commas that are not escaped with a backslash.
func splitPairs(s string) (pairs []string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == ',':
			i++
			b.WriteByte(',')
		case s[i] == ',':
			pairs = append(pairs, b.String())
			b.Reset()
		default:
			b.WriteByte(s[i])
		}
	}
	return append(pairs, b.String())
}
