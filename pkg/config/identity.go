package config

import (
	"slices"
	"strings"

	"github.com/emperor-go/emperor/pkg/config/option"
)

// identities are the options that say who a vassal is, with the words for them in other
// programs, spelt without signs and capitals: those of systemd, docker, the OCI runtime
// specification, nginx, supervisor and the C library.
var identities = []struct {
	option string
	words  []string
}{
	{"uid", []string{"user", "username", "userid", "setuid", "setuser", "euid", "runas", "runasuser"}},
	{"gid", []string{"group", "groupname", "groupid", "setgid", "setgroup", "egid", "runasgroup"}},
	{"add-gid", []string{
		"addgid", "addgids", "addgroup", "addgroups", "additionalgid", "additionalgids", "additionalgroup", "additionalgroups", "auxgroups", "extragid", "extragids",
		"extragroup", "extragroups", "groups", "secondarygroup", "secondarygroups", "setgroups", "supplementarygid", "supplementarygids",
	}},
}

// otherwise are words near to those that have a meaning of their own.
var otherwise = []string{"grid", "guid", "guild", "ui", "use", "used", "users", "uses", "uuid"}

// doubtful reports whether a key is near to an option and may be meant as it is.
func doubtful(key string) bool {
	word := squeezed(key)
	stem := strings.TrimRight(word, "0123456789")
	return slices.Contains(otherwise, word) || stem != word && (stem == "user" || stem == "group") // user1 beside user2
}

// meant tells for which option of an identity a key that is no option stands, or "":
// a letter more, less or other, letters in the wrong order or case, digits that look
// like them, or another program's word for it. A near miss whose value is no account's
// is none. Without sure the key may be meant as it is.
func meant(key, value string) (name string, sure bool) {
	word := squeezed(key)
	for _, i := range identities {
		if slices.Contains(i.words, word) {
			return i.option, true
		}
	}
	if _, err := parseIdentity(value); err != nil || word == "" || len(word) > option.Longest {
		return "", false
	}
	sure = !doubtful(key)
	word = strings.NewReplacer("1", "i", "l", "i", "0", "o").Replace(word)
	switch {
	case word == "iud" || word[0] == 'u' && option.Distance(word, "uid") <= 1:
		return "uid", sure
	case word == "igd" || word[0] == 'g' && option.Distance(word, "gid") <= 1 && (len(word) != 3 || option.Alphabet(word) == option.Alphabet("gid")): // not git, gis or gin
		return "gid", sure
	case word == "grp":
		return "gid", sure
	}
	for _, i := range identities {
		for _, w := range i.words {
			w = strings.ReplaceAll(w, "l", "i")
			if word[0] == w[0] && len(w) > 3 && len(word) >= 3 && option.Distance(word, w) <= 1 {
				return i.option, sure
			}
		}
	}
	return "", false
}
