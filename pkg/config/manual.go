package config

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/serving"
)

// Pages are the file names of the manual pages that WriteManual prints.
func Pages() []string {
	return append([]string{"emperor.8", "vassal.8", "emperor.ini.5"}, slices.Sorted(maps.Keys(programManuals()))...)
}

// WriteManual prints one of Pages in the man macros (man(7)).
func WriteManual(w io.Writer, page string) error {
	var b strings.Builder
	name, number, _ := cutLast(page, ".")
	if text := programManuals()[page]; strings.HasPrefix(text, ".so ") { // a link to another page must be its only line
		_, err := io.WriteString(w, text)
		return err
	}
	fmt.Fprintf(&b, ".\\\" Made by make docs, from pkg/config. Do not edit.\n")
	fmt.Fprintf(&b, ".TH %q %s \"\" %q\n", strings.ToUpper(name), number, "emperor "+Version)
	switch page {
	case "emperor.8":
		b.WriteString(emperorManual)
		manualOptions(&b, "--", emperorOptions.describe(), false)
		b.WriteString(generalOptions + emperorManualEnd)
	case "vassal.8":
		b.WriteString(vassalManual)
		manualOptions(&b, "--", vassalOptions.describe(), false)
		b.WriteString(generalOptions + vassalManualEnd)
	case "vassal-server.8":
		b.WriteString(serverManual)
		manualOptions(&b, "--", table[serving.Options]{&serving.Rows}.describe(), false)
		b.WriteString(serverManualEnd)
	case "emperor.ini.5":
		b.WriteString(fileManual)
		b.WriteString(".SH OPTIONS OF THE EMPEROR\n")
		manualOptions(&b, "", emperorOptions.describe(), false)
		b.WriteString(".SH OPTIONS OF A VASSAL\n")
		manualOptions(&b, "", vassalOptions.describe(), true)
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

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// manualOptions prints options under a heading for each group.
func manualOptions(b *strings.Builder, prefix string, sections []section, vassal bool) {
	for _, s := range sections {
		fmt.Fprintf(b, ".SS %s\n", roff(s.heading))
		for _, d := range s.rows {
			fmt.Fprintf(b, ".TP\n\\fB%s\\fR", roff(prefix+d.name))
			switch {
			case d.arg != "" && prefix == "":
				fmt.Fprintf(b, " = \\fI%s\\fR", roff(d.arg))
			case d.arg != "":
				fmt.Fprintf(b, " \\fI%s\\fR", roff(d.arg))
			}
			b.WriteString("\n" + roff(sentence(d.help)))
			if d.def != "" {
				b.WriteString(" Default: " + roff(d.def) + ".")
			}
			if notes := d.notes(); notes != "" {
				b.WriteString(" " + roff(sentence(notes)))
			}
			if vassal && d.change == Reload {
				b.WriteString(" A change is taken over by the running vassal.")
			}
			b.WriteByte('\n')
		}
		if s.heading == "Hooks" {
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
