package dialect

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// logic is the open block: uWSGI knows one at a time. It lasts until its end, even in another
// file.
type logic struct {
	open    bool
	block   block
	arg     string
	names   pieces // in arg
	running bool   // the options of a block are being added: the block does not see them
	failed  bool   // the last condition was false, for else
}

// block is a kind of block, with its effect on one line.
type block struct {
	// when, for a condition, returns whether the line is live, and the value of %(_). Without
	// known, %(_) stays.
	when func(r *Reader, arg string) (live bool, item string, known bool)
	// not negates the condition.
	not bool
	// items, for a loop, returns the values of %(_), one for each round. With names they are
	// names of files.
	items func(r *Reader, arg string) []string
	names bool
	// needs is the access that the block needs. Without it no line is live.
	needs need
	// sequel continues the condition before it.
	sequel bool
}

// blockOf returns the kind of block that a key opens.
func blockOf(key string) (b block, ok bool) {
	switch key {
	case "for":
		return block{items: spaced}, true
	case "for-glob":
		return block{items: globbed, names: true, needs: needFiles}, true
	case "for-times":
		return block{items: times}, true
	case "for-readline":
		return block{items: readLines, needs: needFiles}, true
	case "else":
		return block{when: ifFailed, sequel: true}, true
	}
	what, found := strings.CutPrefix(key, "if-")
	b.not = strings.HasPrefix(what, "not-")
	switch what = strings.TrimPrefix(what, "not-"); {
	case found:
	case key == "ifenv" || key == "ifexists" || key == "ifdir" || key == "ifplugin":
		what = key[2:]
	default:
		return b, false
	}
	switch what {
	case "env":
		b.when, b.needs = ifEnv, needEnviron
	case "opt":
		b.when = ifOpt
	case "exists":
		b.when, b.needs = ifExists, needFiles
	case "file":
		b.when, b.needs = ifFile, needFiles
	case "dir":
		b.when, b.needs = ifDir, needFiles
	case "directory":
		b.when, b.needs = ifDir, needFiles
		return b, !b.not // uWSGI has no if-not-directory
	case "hostname":
		b.when = ifHostname
	case "hostname-match":
		b.when = ifHostnameMatch
	case "plugin":
		b.when = ifPlugin
	case "reload":
		b.when = ifReload
	default:
		return b, false
	}
	return b, true
}

func isEnd(key string) bool {
	switch key {
	case "end", "endif", "end-if", "endfor", "end-for":
		return true
	}
	return false
}

// begin opens a block.
func (r *Reader) begin(e Entry, b block) {
	if r.logic.open {
		r.problem(e.Key, "a block inside a block", "uWSGI has no nested if and for; close the first one")
		return
	}
	r.logic.open, r.logic.block, r.logic.arg, r.logic.names = true, b, e.Value, e.names
}

// took passes an option to the open block, and reports whether the block has processed it.
func (l *logic) took(r *Reader, e Entry) bool {
	if l.running {
		return false
	}
	if isEnd(e.Key) {
		*l = logic{}
	}
	if e.Key == "else" {
		l.open = false
	}
	if !l.open {
		return false
	}
	l.running = true
	defer func() { l.running = false }()
	r.list.used = append(r.list.used, references([]Entry{e})...) // also in lines that are not live
	switch {
	case !r.allowed(l.block.needs, e.Key):
	case l.block.items != nil:
		named := l.block.names || len(l.names) > 0
		for _, item := range l.block.items(r, l.arg) {
			r.appendFor(e, item, named)
		}
	default:
		l.condition(r, e)
	}
	return true
}

// condition adds an option if the condition of the open block holds.
func (l *logic) condition(r *Reader, e Entry) {
	before := r.position.names
	r.position.names = l.names
	live, item, known := l.block.when(r, l.arg)
	named := len(r.position.names) > 0
	r.position.names = before
	if live = live != l.block.not; !l.block.sequel {
		l.failed = !live
	}
	switch {
	case live && known:
		r.appendFor(e, item, named)
	case live:
		r.append(e)
	}
}

// appendFor adds an option of a block with the value of %(_), which may be, or contain, the
// name of a file.
func (r *Reader) appendFor(e Entry, item string, named bool) {
	if len(e.Value) > 0 && len(e.Value)*(1+len(item)) > 4*maxLine && strings.Count(e.Value, "%(_)")*len(item) > maxLine {
		r.limit(e.Key, "the value is longer than 1 MiB", "")
	}
	if r.outcome.stopped {
		return
	}
	before := r.position.names
	if named && !plain(item) && strings.Contains(e.Value, "%(_)") {
		r.position.names = r.position.names.with(pieces{{'_', item}})
	}
	e.Value = strings.ReplaceAll(e.Value, "%(_)", item)
	r.append(e)
	r.position.names = before
}

// variable is a condition about a variable with a value: NAME or NAME=value.
func variable(arg string, find func(string) (string, bool)) (live bool, item string, known bool) {
	name, want, compare := strings.Cut(arg, "=")
	value, known := find(name)
	return known && (!compare || value == want), value, known
}

func ifEnv(r *Reader, arg string) (bool, string, bool) {
	r.position.key = "if-env"
	return variable(arg, r.variables.getenv)
}

func ifOpt(r *Reader, arg string) (bool, string, bool) { return variable(arg, r.lookup) }

func ifExists(r *Reader, arg string) (bool, string, bool) {
	return unix.Access(r.permissions.path(arg), unix.R_OK) == nil, arg, true
}

func ifFile(r *Reader, arg string) (bool, string, bool) {
	return isKind(r.permissions.path(arg), unix.S_IFREG), arg, true
}

func ifDir(r *Reader, arg string) (bool, string, bool) {
	return isKind(r.permissions.path(arg), unix.S_IFDIR), arg, true
}

func isKind(path string, kind uint32) bool {
	var s unix.Stat_t
	return unix.Stat(path, &s) == nil && s.Mode&unix.S_IFMT == kind
}

func ifHostname(_ *Reader, arg string) (bool, string, bool) {
	host, _ := os.Hostname()
	return host == arg, arg, true
}

func ifHostnameMatch(r *Reader, arg string) (bool, string, bool) {
	host, _ := os.Hostname()
	live, err := false, errNoExpressions
	if r.permissions.Means.Match != nil {
		live, err = r.permissions.Means.Match(r.permissions.until(), arg, host)
	}
	if err != nil {
		r.problem("if-hostname-match", err.Error(), "")
	}
	return live && err == nil, arg, true
}

// ifPlugin looks for plugins that the configuration requested: they are assumed to exist.
func ifPlugin(r *Reader, arg string) (bool, string, bool) {
	for _, e := range r.list.entries {
		if r.options.NamesPlugins(e.Key) && slices.Contains(strings.Split(e.Value, ","), arg) {
			return true, arg, true
		}
	}
	return false, arg, true
}

// ifReload is never true: a reload reads everything again here.
func ifReload(*Reader, string) (bool, string, bool) { return false, "", false }

func ifFailed(r *Reader, _ string) (bool, string, bool) { return r.logic.failed, "", false }

func spaced(_ *Reader, arg string) []string {
	return strings.FieldsFunc(arg, func(c rune) bool { return c == ' ' })
}

func times(r *Reader, arg string) []string {
	n := int(leadingInt(arg))
	if n > maxEntries {
		r.limit("for-times", "more than "+strconv.Itoa(maxEntries)+" times", "")
		return nil
	}
	items := make([]string, max(n, 0))
	for i := range items {
		items[i] = strconv.Itoa(i + 1)
	}
	return items
}

// globbed is glob(3) with GLOB_MARK and GLOB_NOCHECK.
func globbed(r *Reader, arg string) []string {
	pattern := r.permissions.path(arg)
	found, err := filepath.Glob(strings.ReplaceAll(pattern, "[!", "[^"))
	if pattern != arg {
		for i, path := range found {
			found[i] = strings.TrimPrefix(path, strings.TrimSuffix(pattern, arg))
		}
	}
	found = slices.DeleteFunc(found, func(path string) bool { return hidden(arg, path) })
	if err != nil || len(found) == 0 {
		return []string{arg}
	}
	for i, path := range found {
		if s, err := os.Stat(r.permissions.path(path)); err == nil && s.IsDir() && !strings.HasSuffix(path, "/") {
			found[i] += "/"
		}
	}
	slices.Sort(found)
	return found
}

// hidden reports whether a path contains a dot file for which the pattern has no dot.
func hidden(pattern, path string) bool {
	names := strings.Split(filepath.Clean(path), "/")
	for i, p := range strings.Split(filepath.Clean(pattern), "/") {
		if i < len(names) && strings.HasPrefix(names[i], ".") && !strings.HasPrefix(p, ".") && !strings.HasPrefix(p, "\\.") {
			return true
		}
	}
	return false
}

// readLines returns the lines of a file. As in uWSGI, lines over 1023 bytes are divided, and a
// file that cannot be read has no lines.
func readLines(r *Reader, arg string) (lines []string) {
	data, err := r.file(arg)
	if errors.Is(err, errLeftOut) {
		return nil
	}
	if err != nil {
		r.outcome.warnings.Add(r.position.at, "for-readline", err.Error(), "it has no lines then")
		return nil
	}
	for len(data) > 0 {
		n := min(1023, len(data))
		if end := bytes.IndexByte(data[:n], '\n'); end >= 0 {
			n = end + 1
		}
		text, _, _ := strings.Cut(string(data[:n]), "\x00")
		lines = append(lines, strings.TrimRight(text, "\r\n"))
		data = data[n:]
	}
	return lines
}
