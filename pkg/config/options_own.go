package config

import (
	"errors"
	"strconv"

	"github.com/emperor-go/emperor/internal/address"
	"github.com/emperor-go/emperor/internal/logger"
	"github.com/emperor-go/emperor/pkg/config/option"
	"github.com/emperor-go/emperor/pkg/hooks"
)

// Process has the options of the emperor's own process. They apply before the emperor watches
// anything, and have the names that uWSGI uses for all its processes.
type Process struct {
	// Chdir is the base directory of relative paths of monitors. Empty: the directory in which
	// the emperor was started.
	Chdir string
	// Umask is set when UmaskSet is.
	Umask    int
	UmaskSet bool
	// MaxFD limits open descriptors, also of vassals. Zero: unchanged.
	MaxFD uint64
	// Locks are files that the emperor must lock (flock(2)), in the order of the file.
	Locks []Lock
	// Names has the name in process lists.
	Names Names
	// Log is the destination of the emperor's log.
	Log OwnLog
	// Touch are files. A change of one makes the emperor read its options again and reload all
	// vassals, like SIGHUP.
	Touch []string
	// Daemonize detaches the emperor from its terminal once its log and pid file exist.
	Daemonize bool
	// Hooks of the phases that uWSGI has for every process. The emperor runs them once: before it
	// watches anything, and at its end.
	Hooks hooks.Set
}

// Lock is a file to lock.
type Lock struct {
	Path string
	// Wait makes the emperor wait until the lock is free. Otherwise a lock that another process
	// holds is an error.
	Wait bool
}

// OwnLog is a file for the emperor's log.
type OwnLog struct {
	// Path of the file, and the option that sets it. Empty: standard error.
	Path, Option string
	// MaxSize is the size, in bytes, at which the log is renamed to Backup. Without Backup the
	// new name is the old one and the time in seconds. Zero: no limit.
	MaxSize int64
	Backup  string
	// Reopen and Rotate are files. When one is touched, the log is opened again; Rotate renames
	// it first.
	Reopen, Rotate []string
	// Truncate empties the file at the start. AtReload opens it again at SIGHUP.
	Truncate, AtReload bool
}

// ownPhases are the phases of Process.Hooks.
var ownPhases = []hooks.Phase{hooks.Asap, hooks.PreJail, hooks.InJail, hooks.PostJail, hooks.AsRoot, hooks.AsUser, hooks.AsUserAtexit}

// ownOptions are about the emperor's own log and process, with uWSGI's names.
var ownOptions = option.Rows[Emperor]{
	{
		Name: "log-backupname", Group: "Logging", Arg: "FILE", Def: "logto and the time", Help: "new name of a log that has become too large",
		Into: func(e *Emperor) option.Field { return (*option.Text)(&e.Process.Log.Backup) },
	},
	{Name: "log-maxsize", Group: "Logging", Arg: "BYTES", Help: "size at which the log is renamed", Set: setMaxSize},
	{
		Name: "log-reopen", Group: "Logging", Help: "open the log again at each SIGHUP too; a renamed file is always opened again",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Process.Log.AtReload) },
	},
	{
		Name: "log-truncate", Group: "Logging", Help: "empty the log at the start",
		Into: func(e *Emperor) option.Field { return (*option.Flag)(&e.Process.Log.Truncate) },
	},
	{Name: "logger", Group: "Logging", Arg: "file:PATH", Repeat: true, Help: "uWSGI's way to write logto = PATH, and log-maxsize", Set: setOwnLogger},
	{Name: "logto", Aliases: []string{"logto2"}, Group: "Logging", Arg: "FILE", Help: "log to the file instead of standard error", Set: setLog},
	{
		Name: "touch-logreopen", Group: "Logging", Arg: "FILE", Repeat: true, Help: "open the log again when the file is touched",
		Into: func(e *Emperor) option.Field { return (*option.List)(&e.Process.Log.Reopen) },
	},
	{
		Name: "touch-logrotate", Group: "Logging", Arg: "FILE", Repeat: true, Help: "rename the log when the file is touched",
		Into: func(e *Emperor) option.Field { return (*option.List)(&e.Process.Log.Rotate) },
	},

	{
		Name: "chdir", Aliases: []string{"cd"}, Group: "Process", Arg: "DIR", Help: "change the directory before the directories to watch are looked up",
		Into: func(e *Emperor) option.Field { return (*option.Text)(&e.Process.Chdir) },
	},
	{Name: "daemonize", Aliases: []string{"daemonize2"}, Group: "Process", Arg: "FILE", Help: "run in the background, and log to the file", Set: setDaemonize},
	{
		Name: "flock", Aliases: []string{"flock2"}, Group: "Process", Arg: "FILE", Repeat: true, Help: "lock the file, or fail if it is locked",
		Set: func(e *Emperor, v option.Value) error { return setLock(e, v, false) },
	},
	{
		Name: "flock-wait", Aliases: []string{"flock-wait2"}, Group: "Process", Arg: "FILE", Repeat: true,
		Help: "lock the file, and wait until it is free", Set: func(e *Emperor, v option.Value) error { return setLock(e, v, true) },
	},
	{Name: "max-fd", Group: "Process", Arg: "N", Help: "limit of open descriptors, for vassals too", Set: setMaxFD},
	{
		Name: "touch-reload", Aliases: []string{"fs-reload"}, Group: "Process", Arg: "FILE", Repeat: true,
		Help: "reload the emperor's options and all vassals when the file is touched",
		Into: func(e *Emperor) option.Field { return (*option.List)(&e.Process.Touch) },
	},
	{Name: "umask", Group: "Process", Arg: "OCTAL", Guard: true, Help: "file mode creation mask, which vassals inherit", Set: setOwnUmask},
}

func setLog(e *Emperor, v option.Value) error {
	if _, _, udp := address.Split(v.Text); udp {
		return option.Wrong("a log server by UDP ("+strconv.Quote(v.Text)+") is not supported", "the path of a file, or the journal by the service manager")
	}
	e.Process.Log.Path, e.Process.Log.Option = v.Text, "logto"
	return nil
}

// setOwnLogger uses the first file. Emperor.loggers warns about all other loggers.
func setOwnLogger(e *Emperor, v option.Value) error {
	l, err := logger.Parse(v.Text)
	switch {
	case errors.Is(err, logger.ErrUnknown):
	case err != nil:
		return option.Wrong(err.Error(), "file:PATH")
	case l.Path != "" && e.Process.Log.Path == "":
		e.Process.Log.Path, e.Process.Log.Option = l.Path, "logger"
		if l.MaxSize > 0 {
			e.Process.Log.MaxSize = l.MaxSize
		}
		if l.Backup != "" {
			e.Process.Log.Backup = l.Backup
		}
	}
	return nil
}

func setDaemonize(e *Emperor, v option.Value) error {
	if v.Text == "" {
		return option.Wrong("no file for the log", "daemonize = /var/log/emperor.log")
	}
	e.Process.Daemonize = true
	err := setLog(e, v)
	e.Process.Log.Option = "daemonize"
	return err
}

func setLock(e *Emperor, v option.Value, wait bool) error {
	e.Process.Locks = append(e.Process.Locks, Lock{v.Text, wait})
	return nil
}

func setMaxFD(e *Emperor, v option.Value) error {
	n, err := strconv.ParseUint(v.Text, 10, 31)
	if err != nil || n == 0 {
		return option.Wrong(strconv.Quote(v.Text)+" is not a number of descriptors", "such as 65536")
	}
	e.Process.MaxFD = n
	return nil
}

func setMaxSize(e *Emperor, v option.Value) error {
	n, err := strconv.ParseInt(v.Text, 10, 64)
	if err != nil || n < 0 {
		return option.Wrong(strconv.Quote(v.Text)+" is not a number of bytes", "such as 10000000")
	}
	e.Process.Log.MaxSize = n
	return nil
}

func setOwnUmask(e *Emperor, v option.Value) error {
	mask, err := parsePermissions(v.Text, "mask", "022")
	if err == nil {
		e.Process.Umask, e.Process.UmaskSet = int(mask), true
	}
	return err
}
