package option

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/problem"
	"github.com/emperor-go/emperor/internal/words"
)

// Wrong returns a problem.Mistake about a value. An empty hint adds nothing.
func Wrong(what, hint string) error { return problem.Wrong(what, hint) }

// ParseDuration parses seconds, as uWSGI does, or a duration with units.
func ParseDuration(s string) (time.Duration, error) {
	if seconds, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, Wrong(fmt.Sprintf("%q is not a time", s), "seconds such as 90, or 500ms, 1m30s, 2h")
	}
	return d, nil
}

// ParseBool follows uWSGI: every text except a plain no means yes.
func ParseBool(s string) bool {
	switch strings.ToLower(s) {
	case "false", "off", "no", "0":
		return false
	}
	return true
}

// IsBool reports whether a text is a plain yes or no.
func IsBool(s string) bool {
	return !ParseBool(s) || slices.Contains([]string{"", "true", "on", "yes", "1"}, strings.ToLower(s))
}

// ParseWords splits a command line into words as a shell does. It expands nothing: syntax that
// only a shell interprets is a mistake. The result is not empty.
func ParseWords(s string) ([]string, error) {
	sign, set := words.Operator(s), words.Variable(s)
	switch {
	case sign == "#":
		return nil, Wrong(`"#" does not begin a comment here: the program would get it unchanged`, Comments)
	case sign == ";":
		return nil, Wrong(`expects words, not a shell command line: the program would get ";" unchanged`, "sh -c "+words.Quote(s)+"; "+Comments)
	case sign != "":
		return nil, Wrong(fmt.Sprintf("expects words, not a shell command line: the program would get %q unchanged", sign), "sh -c "+words.Quote(s))
	case set != "":
		return nil, Wrong(fmt.Sprintf("%q sets a variable, and a program is expected", set), "env = "+set)
	}
	return SplitWords(s)
}

// SplitWords is ParseWords for a text that may be a command line for a shell.
func SplitWords(s string) ([]string, error) {
	list, err := words.Split(s)
	switch {
	case err != nil:
		return nil, Wrong("a quote is not closed", `\' or \" is a plain one`)
	case len(list) == 0:
		return nil, Wrong("no program given", "PROGRAM ARGUMENTS…")
	}
	return list, nil
}

// Comments is a hint about the place of comments.
const Comments = "a comment stands on a line of its own"

// ParseSize parses a number of bytes, optionally with the unit k, m or g.
func ParseSize(s string) (int64, error) {
	number, factor := strings.ToLower(s), int64(1)
	for i, unit := range []string{"k", "m", "g"} {
		if cut, ok := strings.CutSuffix(number, unit); ok {
			number, factor = cut, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(number, 10, 63)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, Wrong(strconv.Quote(s)+" is not a size", "bytes such as 4096, or 64k, 10m, 1g")
	}
	return n * factor, nil
}

// Field is a field of a struct that can parse its value. Into of a row converts the address of a
// field to a Field, as in (*option.Flag)(&v.Jailed).
type Field interface{ Parse(text string) error }

// Flag is a bool. A plain no turns it off.
type Flag bool

// Parse implements Field.
func (f *Flag) Parse(text string) error {
	*f = Flag(ParseBool(text))
	return nil
}

// Text is any non-empty text.
type Text string

// Parse implements Field.
func (t *Text) Parse(text string) error {
	*t = Text(text)
	return nonempty(text)
}

// List is a list to which each line adds one text.
type List []string

// Parse implements Field.
func (l *List) Parse(text string) error {
	*l = append(*l, text)
	return nonempty(text)
}

func nonempty(s string) error {
	if s == "" {
		return Wrong("no value given", "")
	}
	return nil
}

// Words are a program with its arguments.
type Words []string

// Parse implements Field.
func (w *Words) Parse(text string) (err error) {
	*(*[]string)(w), err = ParseWords(text)
	return err
}

// Duration is a time that may be zero.
type Duration time.Duration

// Parse implements Field.
func (d *Duration) Parse(text string) (err error) {
	*(*time.Duration)(d), err = ParseDuration(text)
	return err
}

// Positive is a time above zero.
type Positive time.Duration

// Parse implements Field.
func (p *Positive) Parse(text string) (err error) {
	if *(*time.Duration)(p), err = ParseDuration(text); err == nil && *p == 0 {
		err = Wrong("the time must not be zero", "such as 500ms")
	}
	return err
}

// Milliseconds is a time written as a number of milliseconds.
type Milliseconds time.Duration

// Parse implements Field.
func (m *Milliseconds) Parse(text string) error {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n == 0 {
		return Wrong(strconv.Quote(text)+" is not a number of milliseconds", "such as 500")
	}
	*m = Milliseconds(time.Duration(n) * time.Millisecond)
	return nil
}

// Number is a whole number, zero or more.
type Number int

// Parse implements Field.
func (n *Number) Parse(text string) error {
	i, err := strconv.Atoi(text)
	if err != nil || i < 0 {
		return Wrong(strconv.Quote(text)+" is not a number", "a whole number, 0 or more")
	}
	*n = Number(i)
	return nil
}

// Size is a number of bytes.
type Size int64

// Parse implements Field.
func (s *Size) Parse(text string) (err error) {
	*(*int64)(s), err = ParseSize(text)
	return err
}
