package hooks

import (
	"path"
	"slices"
	"strings"

	"github.com/emperor-go/emperor/internal/words"
)

// Misreads reports whether a shell, or the splitting of arguments, may misinterpret a file
// name inside the hook's text: the name is not a plain word.
func (h Hook) Misreads(name string) bool {
	if h.spec.Kind == Exec {
		return true
	}
	args := h.spec.Kind.Syntax()
	if h.spec.Kind == Do {
		action, _, _ := strings.Cut(h.rest, ":")
		row := findAction(strings.TrimSpace(action))
		if row == nil {
			return true
		}
		switch row.Name {
		case "exec", "safeexec":
			return true
		case "execv":
			_, line, _ := strings.Cut(h.rest, ":")
			return MisreadWords(line, name)
		}
		args = row.Args
	}
	several := h.subject != "" || strings.Contains(args, " ")
	return several && strings.ContainsAny(name, " \t")
}

// MisreadWords reports the same for a line that is split into words as a shell would: whether
// the name is divided, ends a quote or begins an option, and whether a shell or a similar
// program gets the name inside a line.
func MisreadWords(line, name string) bool {
	const stand = "x" // stands for the name
	list, err := words.Split(line)
	plain, wrong := words.Split(strings.ReplaceAll(line, name, stand))
	if err != nil || wrong != nil || len(list) != len(plain) {
		return true
	}
	shell := false
	for i, word := range list {
		around := strings.ReplaceAll(word, name, "")
		switch {
		case strings.ReplaceAll(word, name, stand) != plain[i]:
			return true
		case around == word:
		case shell, name[0] == '-' && strings.HasPrefix(word, name), strings.ContainsAny(around, " \t\n;&|<>()$`'\"*?"):
			return true
		}
		shell = shell || slices.Contains(shells, path.Base(word))
	}
	return false
}

// shells are programs whose arguments are command lines.
var shells = []string{"ash", "bash", "busybox", "dash", "eval", "fish", "ksh", "mksh", "rbash", "rksh", "sh", "ssh", "su", "tcsh", "csh", "yash", "zsh"}
