// Package foreign reads configurations in formats other than ini. The libraries for YAML and
// XML would slow down each start of a vassal, so a vassal runs another program for them, and
// only programs that can afford it import package parser.
package foreign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/emperor-go/emperor/internal/problem"
)

// Block is the content of one name: a key of a YAML file, or an element <uwsgi> by its id.
type Block struct {
	Name  string
	Lines []Line
	// Inside are the keys of nested mappings, which are not options, each with the keys around
	// it: a.b.c. Only scalars have a value.
	Inside []Line
}

// Line is an option of a block, and its position.
type Line struct {
	Key, Value string
	Number     int
	// Listed: it is one of several in a list. Nests: it has no value, and its content follows.
	Listed, Nests bool
}

// maxPath limits the keys around a key: nested anchors are easy to write.
const maxPath = 256

// Below returns the path of a key in a nested mapping. A path that gets too long ends at the
// mapping.
func Below(path, key string) string {
	switch {
	case path == "":
		return key
	case len(path)+len(key) >= maxPath:
		return path
	}
	return path + "." + key
}

// Parser parses a text in a format, yaml or xml. A mistake in the text is a *problem.Problem with
// a line, or none, and without a file.
type Parser func(format, text string) ([]Block, error)

// patience limits how long the other program may take.
const patience = 30 * time.Second

// answer is the output of the other program.
type answer struct {
	Blocks []Block
	Error  *problem.Problem
}

// Ask returns a parser that runs a program, which gets the format as its last argument and calls
// Answer.
func Ask(program string, args ...string) Parser {
	return func(format, text string) ([]Block, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, append(args[:len(args):len(args)], format)...)
		cmd.Env = []string{} // it needs none, and may be run by root
		cmd.Stdin = strings.NewReader(text)
		var complaint bytes.Buffer
		cmd.Stderr = &complaint
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("cannot have %s read by %q: %w %s", format, program, err, bytes.TrimSpace(complaint.Bytes()))
		}
		var a answer
		if err := json.Unmarshal(out, &a); err != nil {
			return nil, fmt.Errorf("cannot have %s read by %q: %w", format, program, err)
		}
		if a.Error != nil {
			return nil, a.Error
		}
		return a.Blocks, nil
	}
}

// Answer is the other side of Ask.
func Answer(parse Parser, format string, in io.Reader, out io.Writer) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	var a answer
	if a.Blocks, err = parse(format, string(text)); err != nil {
		a.Error = &problem.Problem{What: err.Error()}
		_ = errors.As(err, &a.Error)
	}
	return json.NewEncoder(out).Encode(a)
}
