// Package foreign answers one question: what does a configuration in another
// language than ini say? Reading YAML and XML takes libraries that cost more at
// each start of a program than a vassal may pay, so a vassal asks another program,
// and only those that can afford it import package parser.
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
)

// Block is what stands under one name: a key of a YAML file, or an element <uwsgi>
// by its id.
type Block struct {
	Name  string
	Lines []Line
	// Inside are the keys of mappings inside, which no option has, each with the keys
	// around it: a.b.c. Only scalars have a value.
	Inside []Line
}

// Line is an option in it, and where it stands.
type Line struct {
	Key, Value string
	Number     int
	// Listed: it is one of several in a list. Nests: it is no value, and what stands in
	// it follows.
	Listed, Nests bool
}

// maxPath bounds the keys around a key: anchors in anchors are cheap to write.
const maxPath = 256

// Below is the path of a key in a mapping inside. One that gets too long ends at the
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

// Error is what is wrong with a text. Line is where, from 1, or zero. Hint is what to do
// about it, or empty.
type Error struct {
	Line       int
	What, Hint string
}

func (e *Error) Error() string { return e.What }

// Parser reads a text in a format, yaml or xml. What is wrong with the text is an
// *Error.
type Parser func(format, text string) ([]Block, error)

// patience bounds how long the other program may take.
const patience = 30 * time.Second

// answer is what the other program prints.
type answer struct {
	Blocks []Block
	Error  *Error
}

// Ask returns a parser that has a program do the work, which gets the format as its
// argument and does what Answer does.
func Ask(program string) Parser {
	return func(format, text string) ([]Block, error) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, format)
		cmd.Env = []string{} // it needs none, and may be asked by root
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

// Answer does what was asked for by Ask.
func Answer(parse Parser, format string, in io.Reader, out io.Writer) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	var a answer
	if a.Blocks, err = parse(format, string(text)); err != nil {
		a.Error = &Error{What: err.Error()}
		_ = errors.As(err, &a.Error)
	}
	return json.NewEncoder(out).Encode(a)
}
