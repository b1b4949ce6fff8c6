package seccomp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/emperor-go/emperor/internal/problem"
)

// node is a value of a JSON text with its line.
type node struct {
	line int
	// One of these is the value. Members and elements of an object or a list have the order of the text.
	members  []member
	elements []*node
	scalar   any // string, json.Number, bool or nil
	kind     string
}

type member struct {
	name string
	*node
}

// The kinds of nodes, as messages name them.
const (
	object = "an object"
	list   = "a list"
	text   = "a text"
	number = "a number"
	truth  = "true or false"
	null   = "null"
)

// parser reads a JSON text once.
type parser struct {
	in   *json.Decoder
	text []byte
}

func parse(content []byte) (*node, error) {
	p := &parser{in: json.NewDecoder(bytes.NewReader(content)), text: content}
	p.in.UseNumber()
	n, err := p.value()
	if err == nil {
		if _, more := p.in.Token(); !errors.Is(more, io.EOF) {
			err = problem.Wrong("there is more text behind the object", "one JSON object in the file")
		}
	}
	return n, err
}

// line is the line that the parser has reached.
func (p *parser) line() int { return 1 + bytes.Count(p.text[:p.in.InputOffset()], []byte("\n")) }

func (p *parser) value() (*node, error) {
	t, err := p.in.Token()
	if err != nil {
		return nil, err
	}
	n := &node{line: p.line(), scalar: t}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			n.kind = object
			return n, p.object(n)
		}
		n.kind = list
		for p.in.More() {
			e, err := p.value()
			if err != nil {
				return nil, err
			}
			n.elements = append(n.elements, e)
		}
		_, err = p.in.Token()
		return n, err
	case string:
		n.kind = text
	case json.Number:
		n.kind = number
	case bool:
		n.kind = truth
	default:
		n.kind = null
	}
	return n, nil
}

func (p *parser) object(n *node) error {
	for p.in.More() {
		name, err := p.in.Token()
		if err != nil {
			return err
		}
		line := p.line()
		v, err := p.value()
		if err != nil {
			return err
		}
		v.line = line // of its name, where a reader looks for it
		n.members = append(n.members, member{fmt.Sprint(name), v})
	}
	_, err := p.in.Token()
	return err
}

// unsigned returns a number. ok is false when it is none of 64 bits.
func (n *node) unsigned() (v uint64, ok bool) {
	s, is := n.scalar.(json.Number)
	if !is {
		return 0, false
	}
	if v, err := strconv.ParseUint(s.String(), 10, 64); err == nil {
		return v, true
	}
	f, err := s.Float64() // 1e3
	return uint64(max(f, 0)), err == nil && f >= 0 && f < math.MaxUint64 && f == math.Trunc(f)
}

func (n *node) string() string {
	s, _ := n.scalar.(string)
	return s
}
