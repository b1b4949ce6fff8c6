package assist

import "strings"

// maxPlain limits the length of an expression that plain examines. Package regexp limits the size and the
// depth of what an expression becomes; a short one stays below.
const maxPlain = 200

// plain reports whether package regexp certainly accepts an expression. It knows the common part of the
// syntax: most expressions of configurations need no other program then.
func plain(expression string) bool {
	if len(expression) > maxPlain {
		return false
	}
	depth, atom := 0, false // atom: there is something that may be repeated
	for at := 0; at < len(expression); at++ {
		switch c := expression[at]; {
		case c == '(':
			depth, atom = depth+1, false
		case c == ')' && depth > 0:
			depth, atom = depth-1, true
		case c == '|', c == '^', c == '$':
			atom = false
		case (c == '*' || c == '+' || c == '?') && atom:
			atom = false
			if at+1 < len(expression) && expression[at+1] == '?' { // as few as possible
				at++
			}
		case c == '[':
			n := class(expression[at:])
			if n == 0 {
				return false
			}
			at, atom = at+n-1, true
		case c == '\\':
			if at++; at == len(expression) || !escaped(expression[at]) {
				return false
			}
			atom = true
		case c == '.' || letter(c) || strings.IndexByte("/_-,:;~#&=!@%<> '\"", c) >= 0:
			atom = true
		default:
			return false
		}
	}
	return depth == 0
}

// class returns the length of the class of characters with which a text begins. Zero: it is none that is
// known here.
func class(text string) int {
	at := 1
	if strings.HasPrefix(text[at:], "^") {
		at++
	}
	for first := at; at < len(text); at++ {
		switch c := text[at]; {
		case c == ']' && at > first:
			return at + 1
		case c == '-' && at+1 < len(text) && text[at+1] == ']' && at > first:
		case letter(c) && at+2 < len(text) && text[at+1] == '-' && letter(text[at+2]):
			if c > text[at+2] {
				return 0
			}
			at += 2
		case c == '\\' && at+1 < len(text) && escaped(text[at+1]):
			at++
			if at+1 < len(text) && text[at+1] == '-' {
				return 0
			}
		case letter(c) || strings.IndexByte("./_,:;~#&=!@%<> '\"*+?$(){}|", c) >= 0:
			if at+2 < len(text) && text[at+1] == '-' && text[at+2] != ']' {
				return 0
			}
		default:
			return 0
		}
	}
	return 0
}

// letter reports whether a character is a letter or a digit of ASCII.
func letter(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// escaped reports whether a character has a meaning behind a backslash, in a class as well.
func escaped(c byte) bool {
	return strings.IndexByte("dDwWsSnt./-+*?()[]{}|^$\\", c) >= 0
}
