package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// encode writes the non-zero fields of a struct as a JSON object. Package json alone would
// first build encoders for the types of all fields and of everything below them: that is most
// of the cost of a message, in each of many vassals.
func encode(v any) ([]byte, error) {
	all := reflect.ValueOf(v)
	text := []byte{'{'}
	for i, name := range fieldNames(all.Type()) {
		field := all.Field(i)
		if name == "-" || field.IsZero() {
			continue
		}
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(append(append(text, '"'), name...), '"', ':')
		var err error
		if text, err = appendValue(text, field); err != nil {
			return nil, err
		}
	}
	return append(text, '}'), nil
}

// appendValue appends a value as package json writes it.
func appendValue(text []byte, v reflect.Value) ([]byte, error) {
	switch {
	case v.CanUint():
		return strconv.AppendUint(text, v.Uint(), 10), nil
	case v.CanInt():
		return strconv.AppendInt(text, v.Int(), 10), nil
	case isBytes(v):
		return append(base64.StdEncoding.AppendEncode(append(text, '"'), v.Bytes()), '"'), nil
	}
	value, err := json.Marshal(v.Interface())
	return append(text, value...), err
}

// decode reads the output of encode. It ignores unknown fields, because one side may be older
// than the other.
func decode(text []byte, into any) error {
	all := reflect.ValueOf(into).Elem()
	names := fieldNames(all.Type())
	return members(text, func(name string, value []byte) error {
		if i := slices.Index(names, name); i >= 0 && name != "-" {
			return setValue(all.Field(i), value)
		}
		return nil
	})
}

// setValue sets a variable to a valid value of JSON.
func setValue(v reflect.Value, value []byte) error {
	plain, quoted := bytes.CutPrefix(value, []byte{'"'})
	plain = bytes.TrimSuffix(plain, []byte{'"'})
	quoted = quoted && bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain)
	switch {
	case v.CanUint():
		if n, err := strconv.ParseUint(string(value), 10, 64); err == nil && !v.OverflowUint(n) {
			v.SetUint(n)
			return nil
		}
	case v.CanInt():
		if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && !v.OverflowInt(n) {
			v.SetInt(n)
			return nil
		}
	case quoted && v.Kind() == reflect.String:
		v.SetString(string(plain))
		return nil
	case quoted && isBytes(v):
		if b, err := base64.StdEncoding.AppendDecode([]byte{}, plain); err == nil {
			v.SetBytes(b)
			return nil
		}
	}
	return json.Unmarshal(value, v.Addr().Interface())
}

func isBytes(v reflect.Value) bool {
	return v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8
}

var errNoObject = errors.New("not an object of JSON")

// blanks are the bytes between the parts of a JSON text.
const blanks = " \t\r\n"

// members calls each for the members of an object, with their names and values as they are
// written.
func members(text []byte, each func(name string, value []byte) error) error {
	rest := bytes.Trim(text, blanks)
	if !json.Valid(rest) || rest[0] != '{' {
		return errNoObject
	}
	for rest = rest[1:]; ; {
		rest = bytes.TrimLeft(rest, blanks+",")
		if rest[0] == '}' {
			return nil
		}
		end := stringEnd(rest)
		name := rest[1 : end-1]
		rest = bytes.TrimLeft(rest[end:], blanks+":")
		end = valueEnd(rest)
		if err := each(string(name), bytes.TrimRight(rest[:end], blanks)); err != nil {
			return err
		}
		rest = rest[end:]
	}
}

// stringEnd returns the length of the string that begins a valid text.
func stringEnd(text []byte) int {
	for i := 1; ; i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// valueEnd returns the length of the value that begins a valid text, with blanks after it.
func valueEnd(text []byte) int {
	for i, depth := 0, 0; ; i++ {
		switch text[i] {
		case '"':
			i += stringEnd(text[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
}

// fieldNames returns the names of the fields of a struct in JSON.
func fieldNames(t reflect.Type) []string {
	if known, ok := namesOf.Load(t); ok {
		return known.([]string)
	}
	names := make([]string, t.NumField())
	for i := range names {
		f := t.Field(i)
		names[i], _, _ = strings.Cut(f.Tag.Get("json"), ",")
		if names[i] == "" {
			names[i] = f.Name
		}
	}
	namesOf.Store(t, names)
	return names
}

var namesOf sync.Map // by type
