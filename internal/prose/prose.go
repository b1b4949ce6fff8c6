// Package prose counts the phrases that make English hard to read for readers who learned
// it as a second language, in the comments and texts of Go files and in Markdown documents. Its test
// holds the whole repository below a limit per 1,000 words.
package prose

import (
	"go/scanner"
	"go/token"
	"regexp"
	"strings"
)

// Rules are the groups of phrases that are counted, in the order in which they are printed.
var Rules = []Rule{
	{"what is/was/it/the", regexp.MustCompile(`(?i)\bwhat\s+(is|was|it|the)\b`)},
	{"what as subject or object", regexp.MustCompile(`(?i)\b(is|are|was|has|of|with|from|by|to|than|and|only|all|does|removes|reads|returns|decides?|knows?|shows?|says?|sees?|tells?|takes|lets|undoes)\s+what\b`)},
	{"somebody/nobody/whoever", regexp.MustCompile(`(?i)\b(somebody|whoever|nobody)\b`)},
	{"that of/those that/of which", regexp.MustCompile(`(?i)\b(that\s+of|those\s+(that|of)|of\s+which)\b`)},
}

// A Rule is a group of phrases.
type Rule struct {
	Name    string
	phrases *regexp.Regexp
}

// A Finding is one phrase in a file.
type Finding struct {
	Rule string // the name of the rule
	Line int
	Text string // the line that contains the phrase
}

// A Count is the number of words of a text, and the phrases in it.
type Count struct {
	Words    int
	Findings []Finding
}

// Comments counts in the comments of a Go file. Directives such as //go:build are no prose.
func Comments(source []byte) Count {
	var count Count
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, scanner.ScanComments)
	var block strings.Builder // comments on consecutive lines are one text
	first, last := 0, 0
	flush := func() {
		count.add(first, block.String())
		block.Reset()
	}
	for {
		position, kind, text := s.Scan()
		if kind == token.EOF {
			flush()
			return count
		}
		if kind != token.COMMENT || strings.HasPrefix(text, "//go:") || strings.HasPrefix(text, "//nolint") {
			continue
		}
		line := file.Line(position)
		if block.Len() > 0 && line != last+1 {
			flush()
		}
		if block.Len() == 0 {
			first = line
		}
		last = line + strings.Count(text, "\n")
		block.WriteString(strings.TrimSuffix(strings.TrimLeft(text, "/*"), "*/") + "\n")
	}
}

// Texts counts in the string literals of a Go file. A literal of fewer than three words is no sentence.
func Texts(source []byte) Count {
	var count Count
	files := token.NewFileSet()
	file := files.AddFile("", files.Base(), len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, 0)
	for {
		position, kind, literal := s.Scan()
		if kind == token.EOF {
			return count
		}
		if kind != token.STRING {
			continue
		}
		// The escapes of a quoted literal stay, so that its lines are the lines of the file.
		text := strings.NewReplacer(`\n`, " ", `\t`, " ").Replace(strings.Trim(literal, "`\""))
		if len(strings.Fields(text)) >= 3 {
			count.add(file.Line(position), text)
		}
	}
}

var (
	fence = regexp.MustCompile("(?ms)^```.*?^```")
	code  = regexp.MustCompile("`[^`\n]*`")
)

// Document counts in a Markdown document. Code in it is no prose.
func Document(source []byte) Count {
	var count Count
	blank := func(text string) string { return strings.Repeat("\n", strings.Count(text, "\n")) }
	text := fence.ReplaceAllStringFunc(string(source), blank)
	count.add(1, code.ReplaceAllString(text, "CODE"))
	return count
}

// add counts in a text that begins at a line.
func (c *Count) add(first int, text string) {
	c.Words += len(strings.Fields(text))
	lines := strings.Split(text, "\n")
	joined := strings.ReplaceAll(text, "\n", " ") // a phrase may be broken over two lines
	for _, rule := range Rules {
		for _, at := range rule.phrases.FindAllStringIndex(joined, -1) {
			line := strings.Count(text[:at[0]], "\n")
			c.Findings = append(c.Findings, Finding{rule.Name, first + line, strings.TrimSpace(lines[line])})
		}
	}
}
