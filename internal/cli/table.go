package cli

import (
	"os"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/pkg/emperor"
)

// column is a column of a table.
type column struct {
	name  string
	rank  int  // columns with the highest rank are left out first; 0: never
	least int  // the smallest width, in terminal cells, to which the column is cut; 0: never cut
	fair  int  // the width up to which its texts displace other columns; 0: any
	state bool // the column contains states of vassals
	most  int  // the width to which the column is cut; 0: not cut
}

// table is text in columns; each column is as wide as its content.
type table struct {
	columns []column
	rows    [][]string
	width   int // cells of a line; what is left after that is cut; 0: any
}

// cell returns the text of a cell without control characters. An empty cell is a dash, except in
// the last column.
func (t *table) cell(row []string, i int) string {
	text := readable.Clean(row[i])
	if text == "" && i < len(row)-1 {
		return "-"
	}
	if most := t.columns[i].most; most > 0 && runewidth.StringWidth(text) > most {
		return runewidth.Truncate(text, most, "…")
	}
	return text
}

// widths returns the width of each column.
func (t *table) widths() []int {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = runewidth.StringWidth(c.name)
		for _, row := range t.rows {
			widths[i] = max(widths[i], runewidth.StringWidth(t.cell(row, i)))
		}
	}
	return widths
}

// gap separates two columns.
const gap = "  "

// excess returns by how many cells the lines are too wide for a terminal.
func (t *table) excess(width int) int {
	sum := len(gap) * (len(t.columns) - 1)
	for _, w := range t.widths() {
		sum += w
	}
	return sum - width
}

// fit leaves out columns and cuts others until the lines fit the width; width 0 means no
// terminal.
func (t *table) fit(width int) {
	if t.width = width; width <= 0 {
		return
	}
	for i := range t.columns { // one long name must not displace columns of all vassals
		t.columns[i].most = t.columns[i].fair
	}
	t.cut(len(t.columns)-1, width) // nor must a long error
	for t.excess(width) > 0 {
		out, rank := -1, 0
		for i, c := range t.columns {
			if c.rank > rank {
				out, rank = i, c.rank
			}
		}
		if out < 0 {
			break
		}
		t.leaveOut(out)
		t.columns[len(t.columns)-1].most = 0
		t.cut(len(t.columns)-1, width)
	}
	for i := range t.columns {
		t.widen(i, width)
	}
	for i := range t.columns {
		t.cut(i, width)
	}
}

// widen gives a column that was cut the room that the lines leave.
func (t *table) widen(i, width int) {
	c, room := &t.columns[i], -t.excess(width)
	if c.most > 0 && room > 0 {
		c.most = max(c.most, t.widths()[i]) + room
	}
}

// cut narrows a column as far as the lines need it and its least width permits.
func (t *table) cut(i, width int) {
	c := &t.columns[i]
	if over := t.excess(width); over > 0 && c.least > 0 {
		c.most = max(c.least, t.widths()[i]-over)
	}
}

// at returns the index of a column.
func (t *table) at(name string) int {
	return slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
}

// insert adds a column, with the text of each row.
func (t *table) insert(c column, at int, text func(row int) string) {
	t.columns = slices.Insert(t.columns, at, c)
	for r, row := range t.rows {
		t.rows[r] = slices.Insert(slices.Clone(row), at, text(r))
	}
}

func (t *table) leaveOut(i int) {
	t.columns = slices.Delete(t.columns, i, i+1)
	for r, row := range t.rows {
		t.rows[r] = slices.Delete(slices.Clone(row), i, i+1)
	}
}

// text returns the lines, with colours for the states on request.
func (t *table) text(colored bool) string {
	widths := t.widths()
	var b strings.Builder
	put := func(cells func(i int) string, paint bool) {
		var line strings.Builder
		used := 0
		for i, w := range widths {
			text := cells(i)
			room := strings.Repeat(" ", w-runewidth.StringWidth(text)) + gap
			if t.width > 0 && used+runewidth.StringWidth(text) > t.width { // no column can give way any more
				if used < t.width {
					line.WriteString(runewidth.Truncate(text, t.width-used, "…"))
				}
				break
			}
			if used += w + len(gap); paint && t.columns[i].state {
				text = paintState(text)
			}
			line.WriteString(text + room)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	put(func(i int) string { return t.columns[i].name }, false)
	for _, row := range t.rows {
		put(func(i int) string { return t.cell(row, i) }, colored)
	}
	return b.String()
}

// whens are the permitted values of --color.
var whens = []string{"auto", "always", "never"}

// colored reports whether the output has colours (no-color.org).
func colored(when string, terminal bool) bool {
	switch when {
	case "always":
		return true
	case "never":
		return false
	}
	return terminal && os.Getenv("NO_COLOR") == "" && !dumb()
}

// Colours of ECMA-48.
const (
	green   = "\x1b[32m"
	yellow  = "\x1b[33m"
	red     = "\x1b[31m"
	faint   = "\x1b[2m"
	noColor = "\x1b[0m"
)

// paintState colours a state: green serves, yellow changes, red has failed, faint is inactive.
func paintState(text string) string {
	state, _, _ := strings.Cut(text, " ")
	color := yellow
	switch control.ConditionOf(emperor.State(state)) {
	case control.Serves:
		color = green
	case control.Failed:
		color = red
	case control.Inactive:
		color = faint
	case control.Changing:
	}
	return color + text + noColor
}
