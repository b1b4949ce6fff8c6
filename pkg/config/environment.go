package config

import (
	"strconv"
	"strings"

	"github.com/emperor-go/emperor/internal/environ"
	"github.com/emperor-go/emperor/pkg/config/option"
)

// EnvChange is a change of the environment. Lists have the order of the file.
type EnvChange = environ.Change

// Fields of the options env, unenv and envdir. In both programs they add to one list.
type (
	envSet   []EnvChange
	envUnset []EnvChange
	envDir   []EnvChange
)

// Parse implements option.Field.
func (list *envSet) Parse(text string) error {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return option.Wrong(strconv.Quote(text)+" is not a variable", "KEY=value")
	}
	*list = append(*list, EnvChange{Kind: "set", Key: key, Value: value})
	return nil
}

// Parse implements option.Field.
func (list *envUnset) Parse(text string) error {
	*list = append(*list, EnvChange{Kind: "unset", Key: text})
	return nonempty(text, "no variable given")
}

// Parse implements option.Field.
func (list *envDir) Parse(text string) error {
	*list = append(*list, EnvChange{Kind: "dir", Key: text})
	return nonempty(text, "no directory given")
}

// Passed lists the variables of the emperor's environment that vassals get. An element is a name,
// or a prefix of names with * at the end.
type Passed []string

// passed are the variables that vassals always get.
const passed = "PATH LANG LC_* TZ TERM"

// Has reports whether vassals get a variable.
func (p Passed) Has(name string) bool {
	for _, pattern := range p {
		if begin, ok := strings.CutSuffix(pattern, "*"); pattern == name || ok && strings.HasPrefix(name, begin) {
			return true
		}
	}
	return false
}

// Parse implements option.Field.
func (p *Passed) Parse(text string) error {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789"
	for name := range strings.FieldsSeq(text) {
		begin := strings.TrimSuffix(name, "*")
		switch {
		case name != "*" && (begin == "" || strings.Trim(begin, letters) != "" || begin[0] >= '0' && begin[0] <= '9'):
			return option.Wrong(strconv.Quote(name)+" is not the name of a variable", "NAME ..., NAME* for a prefix, or * for all")
		case name != "*" && environ.ForOneProcess(begin):
			return option.Wrong(name+" is for the emperor alone", "a vassal gets its own")
		}
		*p = append(*p, name)
	}
	return nonempty(strings.TrimSpace(text), "no variable given")
}
