package webpage

import (
	"regexp"
	"strings"
	"sync"
)

// hidden stands in place of a secret.
const hidden = "••••••"

// secrets finds texts that are secrets by their form.
type secrets struct{ url, assigned, given, basic, word *regexp.Regexp }

var patterns = sync.OnceValue(func() secrets {
	const name = `[\w.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|credentials?|authorization)[\w.-]*`
	const value = `["']?(?:(?:basic|bearer)\s+)?)[^\s"',;&]+`
	return secrets{
		// The password of a URL: scheme://user:password@host.
		url: regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^/\s:@]*:)[^/\s]+@`),
		// A value behind its name: password=…, Authorization: …, PGPASS=….
		assigned: regexp.MustCompile(`(?i)((?:\b` + name + `["']?\s*[=:]\s*|\b\w*pass=)` + value),
		// The argument of an option: --token ….
		given: regexp.MustCompile(`(?i)((?:^|\s)--?` + name + `\s+` + value),
		// The password in a rule: basicauth:realm,user:password.
		basic: regexp.MustCompile(`(basicauth(?:-next)?:[^,\s]*,[^/:\s][^:\s]*:)\S+`),
		word:  regexp.MustCompile(`(?i)^` + name + `$`),
	}
})

// hide returns the value of an option without secrets: variables, passwords in URLs and in rules, and values
// behind a name such as password or token.
func hide(s Setting) string {
	if key, _, is := strings.Cut(s.Value, "="); s.Secret && is {
		return key + "=" + hidden
	}
	if s.Secret || patterns().word.MatchString(s.Name) && !strings.HasPrefix(s.Value, "/") {
		return hidden
	}
	return mask(s.Value)
}

// mask replaces secrets in a text.
func mask(text string) string {
	p := patterns()
	text = p.url.ReplaceAllString(text, "${1}"+hidden+"@")
	for _, form := range []*regexp.Regexp{p.basic, p.assigned, p.given} {
		text = form.ReplaceAllString(text, "${1}"+hidden)
	}
	return text
}
