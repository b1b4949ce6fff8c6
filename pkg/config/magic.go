package config

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// magic gives the magic variables of a file their values.
type magic struct {
	path    string // absolute
	name    string // as it was given
	section string
}

// substitute replaces magic variables in the whole text, comments included, as
// uWSGI does before it looks at lines: `%%` is `%`, `%(` starts a placeholder and
// stays, and a `%` before any other byte that names no variable disappears with
// that byte, be it the end of the line. numbers tells for each line of the
// result on which line of the file it starts.
func (m magic) substitute(text string) (out string, numbers []int) {
	var b strings.Builder
	source := 1
	numbers = []int{1}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '%' && i+1 < len(text):
			i++
			if text[i] == '\n' {
				source++
			}
			b.WriteString(m.variable(text[i]))
		case c == '\n':
			source++
			b.WriteByte(c)
			numbers = append(numbers, source)
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), numbers
}

// variable returns what stands for % and a byte.
func (m magic) variable(c byte) string {
	switch c {
	case '%':
		return "%"
	case '(':
		return "%("
	case '[':
		return "\x1b"
	case 'p':
		return m.path
	case 's':
		return filepath.Base(m.path)
	case 'd':
		return directory(m.path)
	case 'c':
		return filepath.Base(filepath.Dir(m.path))
	case 'n':
		base := filepath.Base(m.path)
		return strings.TrimSuffix(base, filepath.Ext(base))
	case 'e':
		return strings.TrimPrefix(filepath.Ext(m.path), ".")
	case 'o':
		return m.name
	case 'x':
		return m.section
	}
	if c >= '0' && c <= '9' {
		return m.component(int(c - '0'))
	}
	return ambient(c)
}

func directory(path string) string {
	if dir := filepath.Dir(path); dir != "/" {
		return dir + "/"
	}
	return "/"
}

// component is one directory of the path, counted from the root.
func (m magic) component(n int) string {
	parts := strings.Split(strings.Trim(filepath.Dir(m.path), "/"), "/")
	if n >= len(parts) {
		return ""
	}
	return parts[n]
}

// ambient is what a variable says that does not depend on the file. What cannot
// be told is empty.
func ambient(c byte) string {
	switch c {
	case 'v':
		dir, _ := os.Getwd()
		return dir
	case 'h':
		host, _ := os.Hostname()
		return host
	case 't':
		return strconv.FormatInt(time.Now().Unix(), 10)
	case 'T':
		return strconv.FormatInt(time.Now().UnixMicro(), 10)
	case 'V':
		return uwsgiVersion
	case 'k':
		return strconv.Itoa(runtime.NumCPU())
	case 'u':
		return strconv.Itoa(os.Getuid())
	case 'g':
		return strconv.Itoa(os.Getgid())
	case 'U':
		if u, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil {
			return u.Username
		}
		return strconv.Itoa(os.Getuid())
	case 'G':
		if g, err := user.LookupGroupId(strconv.Itoa(os.Getgid())); err == nil {
			return g.Name
		}
		return strconv.Itoa(os.Getgid())
	}
	return ""
}

// uwsgiVersion is the version whose dialect this is.
const uwsgiVersion = "2.0.21"
