package cli

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/emperor-go/emperor/internal/control"
	"github.com/emperor-go/emperor/internal/readable"
	"github.com/emperor-go/emperor/internal/vassalname"
)

// checkPatterns returns an error for a pattern that path.Match does not accept.
func checkPatterns(words []string) error {
	for _, word := range words {
		if _, err := path.Match(word, ""); err != nil && control.IsPattern(word) {
			return exitError{fmt.Errorf("%q is not a pattern: a [ is not closed", word), ExitUsage}
		}
	}
	return nil
}

// names returns the names of the vassals that words select, each once. A word that is not a
// pattern is a name, which the emperor completes or rejects. A pattern without a matching vassal
// is an error.
func (o *operator) names(ctx context.Context, words []string) (names []string, err error) {
	if err := checkPatterns(words); err != nil {
		return nil, err
	}
	var list *control.List
	for _, word := range words {
		if !control.IsPattern(word) {
			names = append(names, word)
			continue
		}
		if list == nil {
			list = &control.List{}
			if err := o.get(ctx, "/vassals", list); err != nil {
				return nil, err
			}
		}
		before := len(names)
		for _, v := range list.Vassals {
			if control.Selects(word, v.Name) {
				names = append(names, v.Name)
			}
		}
		if len(names) == before {
			return nil, exitError{fmt.Errorf("no vassal matches %q", word), exitUnknown}
		}
	}
	var unique []string
	for _, name := range names {
		if !slices.Contains(unique, name) {
			unique = append(unique, name)
		}
	}
	return unique, nil
}

// one returns the name of the single vassal that a word selects, for a command that takes one only.
func (o *operator) one(ctx context.Context, command, word string) (string, error) {
	names, err := o.names(ctx, []string{word})
	if err == nil && len(names) > 1 {
		err = exitError{fmt.Errorf("%s takes one vassal, and %q matches %d: %s", command, word, len(names), readable.Clean(strings.Join(names, ", "))), ExitUsage}
	}
	if err != nil {
		return "", err
	}
	return names[0], nil
}

// single reports whether words name one vassal. The command then prints an object, otherwise a
// list.
func single(words []string) bool { return len(words) == 1 && !control.IsPattern(words[0]) }

// atOnce limits the requests that a command sends in parallel.
const atOnce = 8

// each calls do for every name, up to atOnce in parallel, each with a client of its own, and
// returns the results in the order of the names.
func each[T any](o *operator, names []string, do func(o *operator, name string) (T, error)) ([]T, []error) {
	results, errs := make([]T, len(names)), make([]error, len(names))
	next := make(chan int)
	var all sync.WaitGroup
	for range min(atOnce, len(names)) {
		all.Go(func() {
			own := &operator{dir: o.dir, asJSON: o.asJSON}
			for i := range next {
				results[i], errs[i] = do(own, names[i])
			}
		})
	}
	for i := range names {
		next <- i
	}
	close(next)
	all.Wait()
	return results, errs
}

// conclude prints the errors of several vassals and returns the error of the command, nil when
// all have succeeded. did completes the sentence `2 of 5 vassals …`.
func conclude(c *cobra.Command, names []string, errs []error, did string) error {
	failed, code := 0, 0
	for _, err := range errs {
		if errors.Is(err, control.ErrNoEmperor) {
			return err // not of one vassal
		}
	}
	for i, err := range errs {
		if err == nil {
			continue
		}
		err = coded(err)
		text, name := err.Error(), readable.Clean(names[i])
		if !strings.Contains(text, vassalname.Stem(name)) {
			text = name + ": " + text
		}
		c.PrintErrln("emperor:", text)
		own := ExitFailed
		if f, ok := errors.AsType[exitError](err); ok {
			own = f.code
		}
		if failed++; failed == 1 {
			code = own
		} else if code != own {
			code = ExitFailed
		}
	}
	if failed == 0 {
		return nil
	}
	return exitError{fmt.Errorf("%d of %d vassals %s", failed, len(names), did), code}
}
