package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/dialect"
	"github.com/emperor-go/emperor/internal/suggest"
	"github.com/emperor-go/emperor/internal/uwsginames"
)

// ErrHelp and ErrVersion are returned for a command line that requests the help or the version.
var (
	ErrHelp    = errors.New("help asked for")
	ErrVersion = errors.New("version asked for")
)

// HelpRequest is an ErrHelp for one group of options.
type HelpRequest struct{ Group string }

func (h HelpRequest) Error() string { return "help asked for on " + h.Group }

// Is reports HelpRequest as an ErrHelp.
func (h HelpRequest) Is(target error) bool { return target == ErrHelp }

// Emperor parses the emperor's command line, without the program's name. It contains options with
// the names of the ini file, --ini FILE at any position, and bare arguments, which are monitors.
// Options apply in order; options of a file apply at the position of --ini. An error is of type
// Problems and has all mistakes.
func (l Loader) Emperor(args []string) (e *Emperor, warnings Problems, err error) {
	e, warnings, err = l.ExamineEmperor(args)
	if err != nil {
		return nil, warnings, err
	}
	return e, warnings, nil
}

// ExamineEmperor parses like Emperor. In addition it returns the valid options next to the
// mistakes, for further checks only. It returns a nil Emperor when the arguments request the help
// or the version.
func (l Loader) ExamineEmperor(args []string) (e *Emperor, warnings Problems, err error) {
	line := commandLine[Emperor]{program: "emperor", table: emperorOptions, permissions: l.Permissions}
	if err := line.parse(args); err != nil {
		return nil, nil, err
	}
	for _, place := range line.bare {
		line.monitor(place)
	}
	r := line.Finish()
	if err := line.show(r); err != nil {
		return nil, r.Warnings, err
	}
	checkNested(&r)
	e = defaultEmperor()
	e.entries = r.Entries
	warnings, problems, rest := line.table.decode(e.entries, r, e)
	rest.report(&warnings)
	e.loggers(&warnings)
	if e.BackoffMax == 0 { // no line sets BackoffMax
		e.BackoffMax = max(defaultBackoffMax, e.Backoff)
	}
	e.unsure = doubts{unread: len(r.Problems) > 0, options: rest.wrong}
	warnings, problems = append(r.Warnings, warnings...), append(r.Problems, problems...)
	if none := "no directory to watch"; len(e.Monitors) == 0 && !e.Unsure("emperor") && !because(&problems, &warnings, none, []string{"emperor "}) {
		problems = append(problems, Problem{Key: "emperor", What: none, Hint: "such as emperor /etc/vassals", Follows: true})
	}
	e.checkNetwork(&problems)
	e.ownCgroups()
	e.checkIDs(&problems)
	e.checkWeb(&problems)
	return e, warnings, problems.Err()
}

// monitor adds a bare argument as a monitor. A bare argument is never the emperor's own
// configuration, because a tenant could have written the file.
func (c *commandLine[T]) monitor(place string) {
	if !c.permissions.Files {
		c.take("emperor", place, false)
		return
	}
	found := make(chan string, 1)
	go func() { found <- watchedBy(place) }()
	watched := ""
	select {
	case watched = <-found:
	case <-time.After(placePatience): // the file system does not respond; the monitor deals with that
	}
	if watched != "" {
		c.mistake("", fmt.Sprintf("%s has emperor = %s: use --ini %s", place, watched, place), "a file alone is one vassal")
		return
	}
	c.take("emperor", place, false)
}

// placePatience limits the check of a bare argument.
const placePatience = 2 * time.Second

// watchedBy returns the directory that the file of an emperor names.
func watchedBy(file string) string {
	if s, err := os.Stat(file); err != nil || !s.Mode().IsRegular() {
		return ""
	}
	data, err := dialect.ReadFile(file)
	if err != nil {
		return ""
	}
	return watches(data)
}

// VassalArgs parses a vassal's command line, without the program's name: --ini FILE or a bare
// FILE, and options of the vassal.
func (l Loader) VassalArgs(args []string) (v *Vassal, warnings Problems, err error) {
	line := commandLine[Vassal]{program: "vassal", table: vassalOptions, permissions: l.Permissions}
	if err := line.parse(args); err != nil {
		return nil, nil, err
	}
	for _, file := range line.bare {
		line.Include(file)
	}
	r := line.Finish()
	if err := line.show(r); err != nil || line.shows {
		return nil, r.Warnings, err
	}
	return decodeVassal("", r, l.Permissions.Held)
}

// commandLine collects options in order, before they are decoded.
type commandLine[T any] struct {
	*dialect.Reader
	permissions Permissions
	program     string
	table       table[T]
	bare        []string
	shows       bool // --show-config was given
}

// parse parses `--name value`, `--name=value`, `--name` for options without a value, and uWSGI's
// short options, `-s value` and `-svalue`. `--` ends the options.
func (c *commandLine[T]) parse(args []string) error {
	c.Reader = newReader(c.permissions, c.program)
	c.Environ()
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			c.bare = append(c.bare, args...)
			args = nil
		case arg == "--version":
			return ErrVersion
		case arg == "--help" || arg == "-h" || arg == "--usage":
			return c.help(args)
		case strings.HasPrefix(arg, "--"):
			name, text, given := strings.Cut(arg[2:], "=")
			args = c.option(arg, name, text, given, args)
		case len(arg) > 1 && arg[0] == '-':
			args = c.option(arg[:2], uwsginames.Letter(arg[1:2]), arg[2:], len(arg) > 2, args)
		default:
			c.bare = append(c.bare, arg)
		}
	}
	return nil
}

// option adds one option, with its value from rest when it needs one. It returns the remaining
// arguments.
func (c *commandLine[T]) option(arg, name, text string, given bool, rest []string) []string {
	shape, known := c.shape(name)
	switch {
	case !known:
		c.unknown(arg, name)
	case given || shape != uwsginames.NeedsValue:
		c.take(name, text, !given)
	case len(rest) == 0:
		c.mistake(arg, "a value is missing", arg+" VALUE")
	default:
		c.take(name, rest[0], false)
		return rest[1:]
	}
	return rest
}

// shape reports whether an option is known, and whether it has a value.
func (c *commandLine[T]) shape(name string) (s uwsginames.Shape, known bool) {
	if o := c.table.find(name); o != nil {
		return shapeOf(o), true
	}
	if template, ok := c.Declared(name); ok {
		if strings.Contains(template, "$1") || strings.Contains(template, "$2") || strings.Contains(template, "$3") {
			return uwsginames.NeedsValue, true
		}
		return uwsginames.Flag, true
	}
	return uwsginames.Lookup(name)
}

// mistake records a mistake of the command line itself.
func (c *commandLine[T]) mistake(key, what, hint string) {
	c.Report(Problem{Key: key, What: what, Hint: hint})
}

// unknown reports an option that neither this program nor uWSGI has.
func (c *commandLine[T]) unknown(arg, name string) {
	hint := c.program + " --help lists the options"
	if near := suggest.Near(name, c.table.near(name)); near != nil {
		hint = suggest.Question("--", near...)
	}
	if name == "check" {
		hint = "emperor check FILE finds mistakes without starting anything"
	}
	name, _, _ = strings.Cut(arg, "=")
	c.mistake(name, "unknown option", hint)
}

// take adds one option. A flag without a value has bare set.
func (c *commandLine[T]) take(name, text string, bare bool) {
	c.shows = c.shows || name == "show-config"
	c.Add(dialect.Entry{Key: name, Value: text, Bare: bare})
}

// help returns the error that requests the help: of all groups, or of the group that follows.
func (c *commandLine[T]) help(args []string) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") || strings.ContainsAny(args[0], "/.") {
		return ErrHelp
	}
	for _, g := range c.table.groups() {
		if strings.EqualFold(g, args[0]) {
			return HelpRequest{g}
		}
	}
	c.mistake("--help", fmt.Sprintf("there is no group %q", args[0]), "the groups are "+strings.Join(c.table.groups(), ", "))
	return c.Mistakes().Err()
}
