package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/suggest"
)

// identities are the options that choose the user of a vassal, with the names that other programs
// give them, in lower case and without punctuation. The programs are systemd, docker, OCI
// runtimes, nginx, supervisor and the C library.
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

// otherwise are words that resemble these names and have another meaning.
var otherwise = []string{"grid", "guid", "guild", "ui", "use", "used", "users", "uses", "uuid"}

// doubtful reports whether a key resembles an option but may be written on purpose.
func doubtful(key string) bool {
	word := normalized(key)
	stem := strings.TrimRight(word, "0123456789")
	return slices.Contains(otherwise, word) || stem != word && (stem == "user" || stem == "group") // such as user1 next to user2
}

// lookalike returns the letter that resembles a digit or a letter.
func lookalike(c rune) rune {
	switch c {
	case '1', 'l':
		return 'i'
	case '0':
		return 'o'
	}
	return c
}

// meant returns the option of an identity that an unknown key was probably intended to be, or "".
// It accepts one letter more, less or different, letters in another order or case, digits that
// look like letters, and the names of other programs. A similar key whose value cannot be an
// account is not accepted. Without sure the key may be written on purpose.
func meant(key, value string) (name string, sure bool) {
	word := normalized(key)
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
	case word == "igd" || word[0] == 'g' && suggest.Distance(word,
		"gid") <= 1 && (len(word) != 3 || suggest.Letters(word) == suggest.Letters("gid")): // excludes git, gis and gin
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
