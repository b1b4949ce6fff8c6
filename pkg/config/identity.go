package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/suggest"
)

// identities are the options about the user of a vassal, with the words for them in other
// programs, without signs and capitals: of systemd, docker, the OCI runtime specification,
// nginx, supervisor and the C library.
var identities = []struct {
	option string
	words  []string
}{
	{"uid", []string{"user", "username", "userid", "setuid", "setuser", "euid", "asuser", "runas", "runasuser"}},
	{"gid", []string{"group", "groupname", "groupid", "setgid", "setgroup", "egid", "asgroup", "runasgroup"}},
	{"add-gid", []string{
		"addgid", "addgids", "addgroup", "addgroups", "additionalgid", "additionalgids", "additionalgroup", "additionalgroups", "auxgroups", "extragid", "extragids",
		"extragroup", "extragroups", "groups", "secondarygroup", "secondarygroups", "setgroups", "supplementarygid", "supplementarygids",
	}},
}

// otherwise are words that resemble these and have a meaning of their own.
var otherwise = []string{"grid", "guid", "guild", "ui", "use", "used", "users", "uses", "uuid"}

// doubtful reports whether a key resembles an option and may be intended.
func doubtful(key string) bool {
	word := squeezed(key)
	stem := strings.TrimRight(word, "0123456789")
	return slices.Contains(otherwise, word) || stem != word && (stem == "user" || stem == "group") // user1 beside user2
}

// lookalike returns the letter for which a digit or a letter is easily read.
func lookalike(c rune) rune {
	switch c {
	case '1', 'l':
		return 'i'
	case '0':
		return 'o'
	}
	return c
}

// meant returns the option of an identity for which an unknown key was meant, or "": a letter
// more, less or different, letters in the wrong order or case, digits that look like letters,
// or another program's word for it. A near miss whose value is not an account is none. Without
// sure the key may be intended.
func meant(key, value string) (name string, sure bool) {
	word := squeezed(key)
	for _, i := range identities {
		if slices.Contains(i.words, bare(word)) {
			return i.option, true
		}
	}
	if _, err := parseIdentity(value); err != nil || word == "" || len(word) > suggest.Longest {
		return "", false
	}
	sure = !doubtful(key)
	word = strings.Map(lookalike, word)
	switch {
	case word == "iud" || word[0] == 'u' && suggest.Distance(word, "uid") <= 1:
		return "uid", sure
	case word == "igd" || word[0] == 'g' && suggest.Distance(word, "gid") <= 1 && (len(word) != 3 || suggest.Letters(word) == suggest.Letters("gid")): // not git, gis or gin
		return "gid", sure
	case word == "grp":
		return "gid", sure
	}
	for _, i := range identities {
		for _, w := range i.words {
			w = strings.ReplaceAll(w, "l", "i")
			if word[0] == w[0] && len(w) > 3 && len(word) >= 3 && suggest.Distance(word, w) <= 1 {
				return i.option, sure
			}
		}
	}
	return "", false
}
