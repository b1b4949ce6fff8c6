package option

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/suggest"
)

// Unknown returns the mistake of a text that is not one of a few words. Its hint lists the words,
// and first the one that was probably meant.
func Unknown(kind, text string, among ...string) error {
	last := len(among) - 1
	hint := strings.Join(among[:last], ", ") + " or " + among[last]
	if near := meant(text, among); near != "" {
		hint = suggest.Question("", near) + " There are " + strings.Join(among[:last], ", ") + " and " + among[last]
	}
	return Wrong(fmt.Sprintf("unknown %s %q", kind, text), hint)
}

// meant returns the word of which a text is a part, or from which it differs in one or two
// letters. Empty: none.
func meant(text string, among []string) string {
	text = strings.ToLower(text)
	for _, word := range among {
		if len(text) >= 3 && (strings.HasPrefix(text, word) || strings.HasPrefix(word, text)) || text == word {
			return word
		}
	}
	if near := suggest.Near(text, slices.Values(among)); near != nil {
		return near[0]
	}
	return ""
}
