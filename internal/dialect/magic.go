package dialect

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/emperor-go/emperor/internal/nss"
)

// magic has the values of the magic variables. As in uWSGI there is one table for all files of a
// configuration. A variable that a file does not set keeps its value of the previous file, and the uppercase
// letters keep the values of the first one.
type magic struct {
	vars map[byte]string
	// held is true when the uppercase letters have their values, or, during an include, must
	// not get them.
	held bool
	// pinned is true when nothing changes any more, whatever file is read.
	pinned bool
}

// magicIn are the magic variables of files that are read in a directory. Empty: in the working
// directory.
func magicIn(dir string) (m magic) {
	m.vars = make(map[byte]string, 40)
	if dir != "" {
		m.vars['v'] = dir
	}
	return m
}

// upper are the letters that have an uppercase copy.
const upper = "opsdnecxij"

// named sets the variables of a file's name, without its section. Variables of its path stay
// unchanged. Standard input and schemes have only a name.
func (m *magic) named(name string) {
	m.vars['o'] = name
}

// section sets the requested section.
func (m *magic) section(name string) { m.vars['x'] = name }

// file sets the variables of a file's path. The path is absolute.
func (m *magic) file(path string) {
	dir, base := filepath.Split(path)
	m.vars['p'], m.vars['s'], m.vars['d'] = path, base, dir
	m.vars['n'], m.vars['e'] = base, ""
	if dot := strings.LastIndexByte(base, '.'); dot >= 0 {
		m.vars['n'], m.vars['e'] = base[:dot], base[dot+1:]
	}
	parts := strings.Split(strings.Trim(dir, "/"), "/")
	m.vars['c'] = parts[len(parts)-1]
	for i := range 10 {
		m.vars['0'+byte(i)] = ""
		if i < len(parts) {
			m.vars['0'+byte(i)] = parts[i]
		}
	}
	m.vars['j'] = fmt.Sprintf("%X", binary.LittleEndian.AppendUint32(nil, djb33x(path)))
	var s unix.Stat_t
	m.vars['i'] = ""
	if unix.Lstat(path, &s) == nil {
		m.vars['i'] = strconv.FormatUint(s.Ino, 10)
	}
}

// hold makes the uppercase copies, once.
func (m *magic) hold() {
	if m.held {
		return
	}
	m.held = true
	for _, c := range []byte(upper) {
		m.vars[c-'a'+'A'] = m.vars[c]
	}
}

// djb33x is the hash of %j: Bernstein's, by 33 and with exclusive or.
func djb33x(s string) uint32 {
	hash := uint32(5381)
	for i := range len(s) {
		hash = hash*33 ^ uint32(s[i])
	}
	return hash
}

// substitute expands magic variables in the whole text, comments included, as uWSGI does before it parses
// lines. `%%` is `%`, and `%(` starts a placeholder and stays. A `%` before any other byte that names no
// variable disappears with that byte, even the end of the line. Names that are not plain words are marked (see
// piece). numbers maps each line of the result to the line of the file where it starts. ok is false when the
// result is larger than MaxFile.
//
// strays are the percent signs that disappear.
func (m *magic) substitute(text string) (out string, numbers []int, strays []stray, ok bool) {
	if !strings.Contains(text, "%") {
		return text, nil, nil, len(text) <= MaxFile
	}
	begin := 0 // of the line
	var b strings.Builder
	b.Grow(len(text) + len(text)/4)
	source := 1
	numbers = append(make([]int, 0, 1+strings.Count(text, "\n")), source)
	for i := 0; i < len(text); i++ {
		plain := text[i:]
		if n := strings.IndexByte(plain, '%'); n >= 0 && i+n+1 < len(text) {
			plain = plain[:n]
		}
		for n := range plain {
			if plain[n] == '\n' {
				source++
				begin = i + n + 1
				numbers = append(numbers, source)
			}
		}
		b.WriteString(plain)
		if i += len(plain) + 1; i < len(text) {
			if s, found := strayAt(text[begin:], i-begin); found {
				s.line = source
				strays = append(strays, s)
			}
			if text[i] == '\n' {
				source++
				begin = i + 1
			}
			// A file name may contain line breaks. In uWSGI they end the line: a tenant who
			// names a file could add options of others.
			b.WriteString(strings.ReplaceAll(m.variable(text[i]), "\n", ""))
		}
		if b.Len() > MaxFile {
			return "", nil, nil, false
		}
	}
	return b.String(), numbers, strays, true
}

// variable returns the value of % and a byte.
func (m *magic) variable(c byte) string {
	switch c {
	case '%':
		return "%"
	case '(':
		return "%("
	case '[':
		return "\x1b"
	}
	v, ok := m.vars[c]
	if !ok {
		v = ambient(c)
	}
	if ok || c == 'v' { // from the names of files
		return marked(c, v)
	}
	return v
}

// ambient returns a variable that does not depend on the file. An unknown one is empty.
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
	case 'b':
		self, _ := os.Executable()
		return self
	case 'k':
		return strconv.Itoa(runtime.NumCPU())
	case 'u':
		return strconv.Itoa(os.Getuid())
	case 'g':
		return strconv.Itoa(os.Getgid())
	case 'U':
		if u, err := nss.UserID(strconv.Itoa(os.Getuid())); err == nil {
			return u.Username
		}
		return strconv.Itoa(os.Getuid())
	case 'G':
		if g, err := nss.GroupID(strconv.Itoa(os.Getgid())); err == nil {
			return g.Name
		}
		return strconv.Itoa(os.Getgid())
	}
	return ""
}

// uwsgiVersion is the version whose dialect this is.
const uwsgiVersion = "2.0.21"
