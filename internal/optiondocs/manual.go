package optiondocs

import (
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/emperor-go/emperor/internal/version"
	"github.com/emperor-go/emperor/pkg/config"
)

// pages are the file names of the manual pages that writeManual prints; EmperorManual prints another one.
func pages() []string {
	return append([]string{"vassal.8", "emperor.ini.5"}, slices.Sorted(maps.Keys(programManuals()))...)
}

// writeManual prints one of pages in the man macros (man(7)).
func writeManual(w io.Writer, page string) error {
	if page == "emperor.8" {
		return EmperorManual(w, Reference{})
	}
	var b strings.Builder
	if text := programManuals()[page]; strings.HasPrefix(text, ".so ") { // a link to another page must be its only line
		_, err := io.WriteString(w, text)
		return err
	}
	header(&b, page)
	switch page {
	case "vassal.8":
		b.WriteString(vassalManual)
		manualOptions(&b, "--", folded(config.VassalOptions()), false)
		b.WriteString(generalOptions + vassalManualEnd)
	case "vassal-server.8":
		b.WriteString(serverManual)
		manualOptions(&b, "--", folded(config.ServerOptions()), false)
		b.WriteString(serverManualEnd)
	case "emperor.ini.5":
		b.WriteString(fileManual)
		b.WriteString(".SH OPTIONS OF THE EMPEROR\n")
		manualOptions(&b, "", folded(config.EmperorOptions()), false)
		b.WriteString(".SH OPTIONS OF A VASSAL\n")
		manualOptions(&b, "", folded(config.VassalOptions()), true)
		b.WriteString(fileManualEnd)
	default:
		text, ok := programManuals()[page]
		if !ok {
			return fmt.Errorf("there is no manual page %q", page)
		}
		b.WriteString(text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// header prints the first lines of a page.
func header(b *strings.Builder, page string) {
	number := path.Ext(page)
	b.WriteString(".\\\" Made by make docs, from pkg/config. Do not edit.\n")
	fmt.Fprintf(b, ".TH %q %s \"\" %q\n", strings.ToUpper(strings.TrimSuffix(page, number)), number[1:], "emperor "+version.Number)
}

// emperorOptions prints the options of emperor, its signals, files and environment.
func emperorOptions(b *strings.Builder) {
	manualOptions(b, "--", folded(config.EmperorOptions()), false)
	b.WriteString(generalOptions + emperorManualEnd)
}

// manualOptions prints options under a heading for each group.
func manualOptions(b *strings.Builder, prefix string, sections []config.Section, vassal bool) {
	for _, s := range sections {
		fmt.Fprintf(b, ".SS %s\n", roff(s.Heading))
		for _, d := range s.Options {
			fmt.Fprintf(b, ".TP\n\\fB%s\\fR", roff(prefix+d.Name))
			switch {
			case d.Arg != "" && prefix == "":
				fmt.Fprintf(b, " = \\fI%s\\fR", roff(d.Arg))
			case d.Arg != "":
				fmt.Fprintf(b, " \\fI%s\\fR", roff(d.Arg))
			}
			b.WriteString("\n" + roff(sentence(d.Help)))
			if d.Def != "" {
				b.WriteString(" Default: " + roff(d.Def) + ".")
			}
			if notes := notesOf(d); notes != "" {
				b.WriteString(" " + roff(sentence(notes)))
			}
			if vassal && d.Change == config.Reload {
				b.WriteString(" A change is taken over by the running vassal.")
			}
			b.WriteByte('\n')
		}
		if s.Heading == "Hooks" {
			b.WriteString(".PP\n" + foldedText + ".\n")
		}
	}
}

// sentence writes a line of help with a capital and a full stop.
func sentence(s string) string {
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// roff escapes text, so that it contains neither requests nor escapes.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...", "°", "").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

// examplesWidth is the number of columns of an example beside its usual indentation, on a terminal of 80 columns.
const examplesWidth = 69

// example prints lines that stay as they are. They are indented, unless one of them is wider than examplesWidth.
func example(lines ...string) string {
	begin, end := ".RS 4\n.nf\n", ".fi\n.RE\n"
	var b strings.Builder
	for _, line := range lines {
		if utf8.RuneCountInString(line) > examplesWidth {
			begin, end = ".in 0\n.nf\n", ".fi\n.in\n"
		}
		b.WriteString(roff(line) + "\n")
	}
	return begin + strings.TrimRight(b.String(), "\n") + "\n" + end
}
