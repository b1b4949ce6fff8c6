// Package assist answers questions for which large packages are needed: it looks up the names of hosts,
// gets pages, and matches regular expressions. Packages net and regexp would make each vassal larger: a
// vassal runs vassal-helper for such a question, and only programs that can afford it import package
// direct.
package assist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Patience limits one question.
const Patience = 30 * time.Second

// Lookup returns the addresses of the name of a host, in the order of preference. The network is
// ip4 or ip. The name is never a number.
type Lookup func(ctx context.Context, network, name string) ([]netip.Addr, error)

// Means answer the questions. The zero value answers none.
type Means struct {
	Lookup Lookup
	// Fetch returns the page at host[:port]/path.
	Fetch func(ctx context.Context, url string) ([]byte, error)
	// Match reports whether a regular expression of package regexp matches a text.
	Match func(ctx context.Context, expression, text string) (bool, error)
}

// Check returns an error for a text that is no regular expression. Without Match it accepts all texts.
func (m Means) Check(ctx context.Context, expression string) error {
	if m.Match == nil || plain(expression) {
		return nil
	}
	_, err := m.Match(ctx, expression, "")
	return err
}

// Names of the questions: the first arguments of vassal-helper.
const (
	LookupName = "lookup" // NETWORK NAME; an answer is a line for each address
	FetchName  = "fetch"  // the URL is on standard input, and an answer is the page
	MatchName  = "match"  // a line with the expression and one with the text, both quoted, are on standard input; true or false
)

// Refused is the exit code for an answer that is an error. Its text is on standard output.
const Refused = 3

// Through returns the means of a program that answers these questions.
func Through(program string) Means {
	return Means{
		Lookup: func(ctx context.Context, network, name string) (list []netip.Addr, err error) {
			out, err := ask(ctx, "", program, LookupName, network, name)
			if err != nil {
				return nil, err
			}
			for line := range strings.FieldsSeq(string(out)) {
				ip, err := netip.ParseAddr(line)
				if err != nil {
					return nil, err
				}
				list = append(list, ip)
			}
			return list, nil
		},
		Fetch: func(ctx context.Context, url string) ([]byte, error) { return ask(ctx, url, program, FetchName) },
		Match: func(ctx context.Context, expression, text string) (bool, error) {
			out, err := ask(ctx, strconv.Quote(expression)+"\n"+strconv.Quote(text)+"\n", program, MatchName)
			return string(out) == "true", err
		},
	}
}

// ask runs a program without an environment: it needs none, and may be run by root.
func ask(ctx context.Context, input, program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{}
	cmd.Stdin = strings.NewReader(input)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	switch failed, _ := errors.AsType[*exec.ExitError](err); {
	case err == nil:
		return out, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case failed != nil && failed.ExitCode() == Refused:
		return nil, errors.New(string(out))
	}
	return nil, fmt.Errorf("cannot %s by %q: %w %s", args[0], program, err, bytes.TrimSpace(complaint.Bytes()))
}
