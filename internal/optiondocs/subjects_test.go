package optiondocs

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/emperor-go/emperor/internal/generated"
)

// subject is a document that becomes a manual page of section 7.
type subject struct{ page, source, about string }

var subjects = []subject{
	{"emperor-network.7", "network.md", "the built-in network of vassals"},
	{"emperor-hooks.7", "hooks.md", "actions of the operator in the life of a vassal"},
}

// write prints the document, in Markdown and in dir, as a manual page.
func (p subject) write(w io.Writer, dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, p.source))
	if err != nil {
		return err
	}
	c := converter{}
	header(&c.b, p.page)
	name := strings.TrimSuffix(p.page, ".7")
	_, rest, _ := strings.Cut(string(text), "\n") // behind its title
	fmt.Fprintf(&c.b, ".SH NAME\n%s \\- %s\n.SH DESCRIPTION\n", roff(name), roff(p.about))
	for line := range strings.SplitSeq(rest, "\n") {
		c.line(line)
	}
	c.end()
	c.b.WriteString(".SH SEE ALSO\n.BR emperor (8),\n.BR emperor.ini (5)\n")
	_, err = io.WriteString(w, c.b.String())
	return err
}

// block is the kind of the lines that a converter is in.
type block int

const (
	outside block = iota
	paragraph
	item
	code
	table
)

// converter prints lines of Markdown with the man macros (man(7)): headings, paragraphs, lists, indented
// code, and tables, whose rows become a list.
type converter struct {
	b      strings.Builder
	in     block
	code   []string // lines of a block of code, with the empty lines after it
	titles []string // of the columns of a table
}

func (c *converter) line(line string) {
	trimmed := strings.TrimSpace(line)
	switch {
	case trimmed == "" && c.in == code:
		c.code = append(c.code, "")
	case trimmed == "":
		c.end()
	case strings.HasPrefix(line, "    ") && c.in != item && c.in != paragraph:
		c.begin(code, "")
		c.code = append(c.code, line[4:])
	case strings.HasPrefix(line, "## "):
		c.begin(outside, ".SH "+roff(strings.ToUpper(plainText(line[3:])))+"\n")
	case strings.HasPrefix(line, "### "):
		c.begin(outside, ".SS "+roff(plainText(line[4:]))+"\n")
	case strings.HasPrefix(line, "|"):
		c.row(line)
	case strings.HasPrefix(line, "- "):
		c.end()
		c.begin(item, ".IP \\(bu 2\n")
		c.b.WriteString(styled(line[2:]) + "\n")
	default:
		if c.in != item {
			c.begin(paragraph, ".PP\n")
		}
		c.b.WriteString(styled(trimmed) + "\n")
	}
}

// row prints a row of a table: the first cell as its tag, the others with the titles of their columns.
func (c *converter) row(line string) {
	cells := strings.Split(strings.Trim(strings.ReplaceAll(line, `\|`, "\x00"), "| "), " | ")
	for i := range cells {
		cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "\x00", "|"))
	}
	switch {
	case c.in != table:
		c.begin(table, "")
		c.titles = cells
		return
	case strings.Trim(line, "|- :") == "":
		return
	}
	var rest []string
	for i, cell := range cells[1:] {
		if cell == "" || cell == "|" {
			continue
		}
		if i+1 < len(c.titles) && len(c.titles) > 2 && c.titles[i+1] != "" {
			cell = c.titles[i+1] + ": " + cell
		}
		rest = append(rest, cell)
	}
	fmt.Fprintf(&c.b, ".TP\n%s\n%s\n", styled(cells[0]), styled(strings.Join(rest, "; ")+"."))
}

// begin ends the block before, unless it is the same one, and begins another.
func (c *converter) begin(next block, macros string) {
	if c.in == next && next != outside {
		return
	}
	c.end()
	c.b.WriteString(macros)
	c.in = next
}

func (c *converter) end() {
	if c.in == code {
		c.b.WriteString(".PP\n" + example(c.code...))
	}
	c.in, c.code = outside, nil
}

var (
	links  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	strong = regexp.MustCompile("`([^`]*)`|\\*\\*([^*]+)\\*\\*|\\*([^*]+)\\*")
)

// plainText returns a text without links and code marks.
func plainText(s string) string {
	return strings.ReplaceAll(links.ReplaceAllString(s, "$1"), "`", "")
}

// styled returns a text for man(7), with code in bold.
func styled(s string) string {
	s = links.ReplaceAllString(s, "$1")
	var b strings.Builder
	last := 0
	for _, at := range strong.FindAllStringSubmatchIndex(s, -1) {
		b.WriteString(escaped(s[last:at[0]]))
		for group := 2; group < len(at); group += 2 {
			if at[group] >= 0 {
				b.WriteString(`\fB` + roff(s[at[group]:at[group+1]]) + `\fR`)
			}
		}
		last = at[1]
	}
	b.WriteString(escaped(s[last:]))
	text := b.String()
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// escaped returns a text without Markdown's backslashes.
func escaped(s string) string {
	return roff(strings.NewReplacer(`\_`, "_", `\*`, "*", `\|`, "|", `\<`, "<", `\>`, ">", `\[`, "[", `\]`, "]").Replace(s))
}

func TestSubjectManualDocumentIsCurrent(t *testing.T) {
	for _, p := range subjects {
		generated.Current(t, documents+"man/"+p.page, func(w io.Writer) error { return p.write(w, documents) })
	}
}

// A page has every heading, table cell, item and line of code of its document.
func TestSubjects(t *testing.T) {
	p := subject{"emperor-net.7", "a.md", "the net"}
	dir := t.TempDir()
	text := "# The net\n\nA [link](x.md) and `code`\nin *two* lines.\n\n## Modes\n\n    a - b\n\n    .c\n\n| word | means | more |\n|---|---|---|\n| `x` | one | two |\n| y | | |\n\n" +
		"- an item\n  goes on\n- .second\n"
	want := ".SH NAME\nemperor\\-net \\- the net\n.SH DESCRIPTION\n.PP\nA link and \\fBcode\\fR\nin \\fBtwo\\fR lines.\n.SH MODES\n.PP\n.RS 4\n.nf\na \\- b\n\n\\&.c\n.fi\n.RE\n" +
		".TP\n\\fBx\\fR\nmeans: one; more: two.\n.TP\ny\n\\&.\n.IP \\(bu 2\nan item\ngoes on\n.IP \\(bu 2\n\\&.second\n"
	if err := os.WriteFile(filepath.Join(dir, p.source), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := p.write(&b, dir); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(b.String(), "\n.SH")
	got, _, _ = strings.Cut(".SH"+got, ".SH SEE ALSO")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestManualPagesAreClean checks the generated pages with groff, if installed: it has no warning, and no line is wider
// than a terminal of 80 columns.
func TestManualPagesAreClean(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("there is no groff")
	}
	pages, err := filepath.Glob(documents + "man/*.[578]")
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(text), ".so ") {
			continue
		}
		cmd := exec.Command(groff, "-man", "-Tutf8", "-Kutf8", "-ww", "-rLL=78n", "-P-cbou")
		cmd.Stdin = strings.NewReader(string(text))
		var warnings strings.Builder
		cmd.Stderr = &warnings
		out, err := cmd.Output()
		if err != nil || warnings.Len() > 0 {
			t.Errorf("%s: %v\n%s", page, err, &warnings)
		}
		for line := range strings.Lines(string(out)) {
			if line = strings.TrimRight(line, " \n"); utf8.RuneCountInString(line) > 80 {
				t.Errorf("%s: this line has %d columns:\n%s", page, utf8.RuneCountInString(line), line)
			}
		}
	}
}
