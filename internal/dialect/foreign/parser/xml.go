package parser

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emperor-go/emperor/internal/dialect/foreign"
	"github.com/emperor-go/emperor/internal/problem"
)

// maxDepth is the nesting limit of elements and nodes.
const maxDepth = 64

// element is the relevant part of an element of an XML file.
type element struct {
	name, id, mount, text string
	number                int
	nested                bool // an element comes before any text
	inner                 []element
}

// app returns the mount of an element <app>.
func (e element) app() string {
	if len(e.inner) > 0 {
		e.text = e.inner[0].text
	}
	if e.mount == "" {
		return e.text
	}
	return e.mount + "=" + e.text
}

// parseXML returns the elements <uwsgi>: the root, or its children.
func parseXML(text string) ([]foreign.Block, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	root, err := readElement(d)
	if err != nil {
		line, _ := d.InputPos()
		return nil, brokenXML(line, err)
	}
	if root.name == "uwsgi" {
		b, err := root.block()
		b.Name = "" // whatever its id
		return []foreign.Block{b}, err
	}
	var blocks []foreign.Block
	for _, e := range root.inner {
		if e.name != "uwsgi" {
			continue
		}
		b, err := e.block()
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// brokenXML is the error of an invalid text.
func brokenXML(line int, err error) *problem.Problem {
	e := &problem.Problem{Origin: problem.Origin{Line: line}, What: "cannot parse XML: " + err.Error()}
	if s, ok := errors.AsType[*xml.SyntaxError](err); ok {
		e.Origin.Line, e.What = s.Line, "cannot parse XML: "+s.Msg
	}
	switch {
	case strings.Contains(e.What, "unexpected EOF"):
		e.What, e.Hint = "cannot parse XML: the text ends too early", "an element is not closed"
	case strings.Contains(e.What, "character entity"):
		e.Hint = "& is written as &amp; and < as &lt;"
	case strings.Contains(e.What, "closed by"):
		e.Hint = "each element is closed in its turn"
	}
	return e
}

// block returns the options in an element <uwsgi>. An empty one means 1.
func (e element) block() (foreign.Block, error) {
	b := foreign.Block{Name: e.id}
	for _, e := range e.inner {
		switch {
		case e.nested && e.name == "app":
			continue
		case e.nested:
			return b, &problem.Problem{Origin: problem.Origin{Line: e.number}, What: fmt.Sprintf("there is an element inside the option <%s>", e.name)}
		case e.name == "app":
			b.Lines = append(b.Lines, foreign.Line{Key: "mount", Value: e.app(), Number: e.number})
			e.text = ""
		case e.text == "":
			e.text = "1"
		}
		b.Lines = append(b.Lines, foreign.Line{Key: e.name, Value: e.text, Number: e.number})
	}
	return b, nil
}

// readElement reads the next element with its content, three levels deep: content below an
// option does not matter. Its text is the text before the first element inside it.
func readElement(d *xml.Decoder) (element, error) {
	stack := []element{{}}
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return element{}, errors.New("there is no element")
		} else if err != nil {
			return element{}, err
		}
		top := &stack[len(stack)-1]
		switch t := t.(type) {
		case xml.StartElement:
			if len(stack) > maxDepth {
				return element{}, fmt.Errorf("elements are more than %d deep", maxDepth)
			}
			top.nested = top.nested || top.text == ""
			e := element{name: t.Name.Local}
			e.number, _ = d.InputPos()
			for _, a := range t.Attr {
				switch a.Name.Local {
				case "id":
					e.id = a.Value
				case "mountpoint", "domain":
					e.mount = a.Value
				}
			}
			stack = append(stack, e)
		case xml.CharData:
			if len(top.inner) == 0 {
				top.text += string(t)
			}
		case xml.EndElement:
			done := *top
			stack = stack[:len(stack)-1]
			if len(stack) == 1 {
				return done, nil
			}
			stack[len(stack)-1].inner = append(stack[len(stack)-1].inner, done)
		}
	}
}
