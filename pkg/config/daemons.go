package config

import (
	"strconv"
	"strings"
	"time"
)

// daemonFreq is how many seconds a program may take to write its pid file.
const daemonFreq = 10

func attach(d Daemon) func(*Vassal, value) error {
	return func(v *Vassal, t value) error { return v.attach(d, t.text) }
}

func (v *Vassal) attach(d Daemon, command string) (err error) {
	if d.Command, err = parseWords(command); err == nil && (strings.ContainsAny(command, shellOnly) || strings.Contains(d.Command[0], "=")) {
		d.Script = command
	}
	v.Daemons = append(v.Daemons, d)
	return err
}

// shellOnly are what may mean something else to a shell than to us. uWSGI leaves all
// commands of daemons to a shell; without any of these it makes no difference, but
// that the program runs where there is no shell.
const shellOnly = "|&;<>()$`*?[]#~!{}\n"

// attachSmart reads `PIDFILE[,FREQ] COMMAND`.
func attachSmart(daemonize bool) func(*Vassal, value) error {
	return func(v *Vassal, t value) error {
		pidfile, command, ok := strings.Cut(t.text, " ")
		pidfile, freq, timed := strings.Cut(pidfile, ",")
		d := Daemon{Pidfile: pidfile, Daemonize: daemonize, Freq: daemonFreq}
		if timed {
			n, err := strconv.Atoi(freq)
			if err != nil || n < 1 {
				return hinted{strconv.Quote(freq) + " is not a number of seconds", "PIDFILE,10 COMMAND"}
			}
			d.Freq = n
		}
		if !ok || pidfile == "" {
			return hinted{"no program given", "PIDFILE COMMAND"}
		}
		return v.attach(d, command)
	}
}

// attachKeyed reads `key=value,…`. A comma in a value is written as \,.
func attachKeyed(v *Vassal, t value) error {
	d, command := Daemon{Freq: daemonFreq}, ""
	for _, pair := range splitPairs(t.text) {
		key, text, _ := strings.Cut(pair, "=")
		var err error
		switch key {
		case "cmd", "command", "exec":
			command = text
		case "pidfile":
			d.Pidfile = text
		case "freq":
			if d.Freq, err = strconv.Atoi(text); err != nil || d.Freq < 1 {
				err = hinted{strconv.Quote(text) + " is not a number of seconds", ""}
			}
		case "control":
			d.Control = text == "" || parseBool(text)
		case "daemonize", "daemon":
			d.Daemonize = text == "" || parseBool(text)
		case "touch":
			d.Touch = strings.Split(text, ";")
		case "stopsignal", "stop_signal":
			d.StopSignal, err = parseSignal(text)
		case "reloadsignal", "reload_signal":
			d.ReloadSignal, err = parseSignal(text)
		case "chdir":
			d.Dir = text
		case "stdin":
			d.Stdin = text == "" || parseBool(text)
		case "max_throttle":
			var n int
			if n, err = strconv.Atoi(text); err != nil || n < 1 {
				err = hinted{strconv.Quote(text) + " is not a number of seconds", ""}
			}
			d.MaxPause = time.Duration(n) * time.Second
		case "uid":
			d.UID, err = parseIdentity(text)
		case "gid":
			d.GID, err = parseIdentity(text)
		default:
			err = hinted{"unknown key " + strconv.Quote(key), "cmd, pidfile, freq, control, daemonize, touch, stopsignal, reloadsignal, chdir, stdin, max_throttle, uid, gid"}
		}
		if err != nil {
			return err
		}
	}
	if d.Daemonize && d.Pidfile == "" {
		return hinted{"a program in the background needs a pid file", "pidfile=FILE"}
	}
	return v.attach(d, command)
}

// splitPairs splits at commas that no backslash stands before.
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
