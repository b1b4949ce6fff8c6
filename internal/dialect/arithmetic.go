package dialect

import (
	"strconv"
	"strings"
)

// evaluate expands %(…): an option, or words and operators with spaces between them, from left
// to right (uwsgi_manage_placeholder). An operator applies to the next word only; without one,
// words are joined.
func (x *expansion) evaluate(text string) (string, bool) {
	if strings.IndexByte(text, ' ') < 0 {
		return x.reader.lookup(text)
	}
	x.work += len(text)
	value, sign := "", byte(0)
	known := false
	for word := range strings.SplitSeq(text, " ") {
		switch word {
		case "":
			continue
		case "+", "-", "*", "/":
			sign = word[0]
			continue
		case "++", "--":
			if sign = 0; known {
				n := leadingInt(value)
				if word == "++" {
					value = strconv.FormatInt(n+1, 10)
				} else {
					value = strconv.FormatInt(n-1, 10)
				}
			}
			continue
		}
		operand := word
		if strings.Trim(word, "0123456789") != "" {
			operand, _ = x.reader.lookup(word)
		}
		value, known = apply(sign, value, operand), true
		if x.work += len(value); x.work > maxWork || len(value) > maxLine {
			return "", false
		}
		sign = 0
	}
	return value, known
}

func apply(sign byte, a, b string) string {
	if sign == 0 {
		return a + b
	}
	x, y := leadingInt(a), leadingInt(b)
	switch {
	case sign == '+':
		x += y
	case sign == '-':
		x -= y
	case sign == '*':
		x *= y
	case y == 0:
		x = 0
	default:
		x /= y
	}
	return strconv.FormatInt(x, 10)
}

// leadingInt parses a number as strtoll(3) does: blanks, a sign, digits; it ignores the rest.
// A number that is too large becomes the largest.
func leadingInt(s string) int64 {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	end := 0
	if end < len(s) && (s[end] == '-' || s[end] == '+') {
		end++
	}
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, _ := strconv.ParseInt(s[:end], 10, 64) // a range error comes with the limit
	return n
}
